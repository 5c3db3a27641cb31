"""How MLflow's tables hold a metric's value: NaN is 0 with a flag, infinity is the largest double."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_DOUBLE = 1.7976931348623157e308
"""Value that MLflow stores for infinity."""


def stored_columns(value: float) -> dict[str, Any]:
    """The columns `value` and `is_nan` of a value."""
    is_nan = math.isnan(value)
    return {"value": 0.0 if is_nan else max(min(value, LARGEST_DOUBLE), -LARGEST_DOUBLE), "is_nan": is_nan}


def stored_series(values: NDArray[np.float64]) -> tuple[list[float], list[bool]]:
    """These columns of many values."""
    is_nan = np.isnan(values)
    finite = np.clip(np.where(is_nan, 0.0, values), -LARGEST_DOUBLE, LARGEST_DOUBLE)
    return finite.tolist(), is_nan.tolist()


def stored_value(value: float, is_nan: bool = False) -> float:
    """The value of these columns as a float."""
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= LARGEST_DOUBLE else value
