"""How MLflow's tables hold a metric's value: NaN is 0 with a flag, infinity is the largest double."""

import math
from typing import Any

LARGEST_DOUBLE = 1.7976931348623157e308
"""Value that MLflow stores for infinity."""


def stored_columns(value: float) -> dict[str, Any]:
    """The columns `value` and `is_nan` of a value."""
    is_nan = math.isnan(value)
    return {"value": 0.0 if is_nan else max(min(value, LARGEST_DOUBLE), -LARGEST_DOUBLE), "is_nan": is_nan}


def stored_value(value: float, is_nan: bool = False) -> float:
    """The value of these columns as a float."""
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= LARGEST_DOUBLE else value
