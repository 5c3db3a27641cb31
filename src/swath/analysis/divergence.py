"""Compares series and arrays of floating-point numbers: first difference, largest difference."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.tracking import Curve


@dataclass(frozen=True)
class Mismatch:
    """The difference between two series or two arrays.

    Attributes:
      name: name of the metric or array.
      step: first step at which the series differ or one has no value; None for arrays.
      first: value of the first run at this step; None if it has none.
      second: value of the second run at this step; None if it has none.
      largest_ulps: largest difference in units in the last place: of float32 if all values fit, as computed
        values do; None if a value is missing or the arrays contain integers.
      largest_relative: largest difference, relative to the larger of two values of a series or to the largest
        value of an array; infinite if only one is NaN; None if a value is missing. For integers the share of
        values that differ.
      differing: for integers, number of values that differ.
      largest: largest absolute difference, in the unit of the values; NaN if it is undefined.
      common: for series of different steps, number of steps that both have; None for others.
    """

    name: str
    step: int | None
    first: float | None
    second: float | None
    largest_ulps: int | None
    largest_relative: float | None = None
    differing: int | None = None
    largest: float = math.nan
    common: int | None = None


def ulp_distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.uint64]:
    """Distance of two arrays in units in the last place, element by element.

    IEEE 754 orders the encodings of positive numbers like the numbers, and those of negative numbers in
    reverse. 0 and -0 are one unit apart; every NaN is the successor of infinity.

    Args:
      first: float32 or float64.
      second: same dtype and shape.

    Returns:
      uint64, same shape.
    """
    kind: Any = {4: np.uint32, 8: np.uint64}[first.dtype.itemsize]
    sign = kind(1 << (8 * first.dtype.itemsize - 1))
    keys = []
    for values in (first, second):
        encoded = np.where(np.isnan(values), np.nan, values).astype(values.dtype).view(kind)
        keys.append(np.where(encoded & sign, ~encoded, encoded | sign))
    return np.asarray(np.maximum(*keys) - np.minimum(*keys), np.uint64)


def compare_series(name: str, first: Curve | None, second: Curve | None) -> Mismatch | None:
    """Compare two series of a metric; None if steps and values are identical.

    A step that occurs more often in one of the series counts as a difference.
    """
    steps_a, values_a = _series(first)
    steps_b, values_b = _series(second)
    if not np.array_equal(steps_a, steps_b):
        shared = min(len(steps_a), len(steps_b))
        same = np.append(steps_a[:shared] == steps_b[:shared], False)
        place = int(np.argmin(same))
        step = min(int(steps[place]) for steps in (steps_a, steps_b) if place < len(steps))
        both = np.flatnonzero(_differ(values_a[:place], values_b[:place]))
        step = int(steps_a[both[0]]) if both.size else step
        _, places_a, places_b = np.intersect1d(steps_a, steps_b, return_indices=True)
        return Mismatch(
            name,
            step,
            _at(steps_a, values_a, step),
            _at(steps_b, values_b, step),
            None,
            largest=_absolute(values_a[places_a], values_b[places_b]),
            common=len(places_a),
        )
    apart = ulp_distance(*_as_computed(values_a, values_b))
    differing = np.flatnonzero(apart)
    if not differing.size:
        return None
    place = int(differing[0])
    largest = _relative(values_a, values_b, np.maximum(np.abs(values_a), np.abs(values_b)))
    return Mismatch(
        name,
        int(steps_a[place]),
        float(values_a[place]),
        float(values_b[place]),
        int(apart.max()),
        largest,
        largest=_absolute(values_a, values_b),
    )


def compare_arrays(name: str, first: NDArray[Any] | None, second: NDArray[Any] | None) -> Mismatch | None:
    """Compare two arrays; None if they are bit-identical."""
    if first is None and second is None:
        return None
    if first is None or second is None or first.shape != second.shape or first.dtype != second.dtype:
        return Mismatch(name, None, None, None, None)
    if first.tobytes() == second.tobytes():
        return None
    if first.dtype.kind != "f":
        differing = int(np.count_nonzero(first != second))
        return Mismatch(name, None, None, None, None, differing / first.size, differing)
    apart = int(ulp_distance(first, second).max())
    if not apart:
        return None  # NaNs with different payloads are equal
    sizes = np.abs(np.concatenate([first.ravel(), second.ravel()]))
    scale = np.full(first.shape, sizes.max(initial=0.0, where=np.isfinite(sizes)))
    largest = _absolute(first, second)
    return Mismatch(name, None, None, None, apart, _relative(first, second, scale), largest=largest)


def _as_computed(first: NDArray[np.float64], second: NDArray[np.float64]) -> list[NDArray[Any]]:
    """Convert two series to float32 if that is lossless: a store keeps every value as float64."""
    with np.errstate(over="ignore"):
        narrow = [values.astype(np.float32) for values in (first, second)]
    same = (np.array_equal(a, b, equal_nan=True) for a, b in zip(narrow, (first, second), strict=True))
    return narrow if all(same) else [first, second]


def _series(curve: Curve | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if curve is None:
        return np.zeros(0, np.int64), np.zeros(0, np.float64)
    return curve.steps, curve.values


def _differ(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(ulp_distance(first, second) > 0, np.bool_)


def _at(steps: NDArray[np.int64], values: NDArray[np.float64], step: int) -> float | None:
    found = values[steps == step]
    return float(found[0]) if found.size else None


def _absolute(first: NDArray[Any], second: NDArray[Any]) -> float:
    """The largest absolute difference; NaN if no two values are finite."""
    with np.errstate(all="ignore"):
        parts = np.abs(first.astype(np.float64) - second.astype(np.float64))
    finite = parts[np.isfinite(parts)]
    return float(finite.max()) if finite.size else math.nan


def _relative(first: NDArray[Any], second: NDArray[Any], scale: NDArray[Any]) -> float:
    """The largest difference relative to `scale`; infinite if it is undefined."""
    with np.errstate(all="ignore"):
        parts = np.where(first == second, 0.0, np.abs(first - second) / scale)
    both_nan = np.isnan(first) & np.isnan(second)
    parts = np.where(both_nan, 0.0, np.where(np.isnan(parts), np.inf, parts))
    return float(parts.max(initial=0.0))
