"""A difference in words: in the unit of the metric, and in units in the last place where these are few."""

import numpy as np
import pytest

from swath.analysis.diff import FEW_ULPS, mismatch_text
from swath.analysis.divergence import compare_arrays, compare_series
from swath.tracking import Curve


def curve(*values: float) -> Curve:
    return Curve("id", "m", np.arange(len(values), dtype=np.int64), np.array(values, np.float64))


def text(first: Curve, second: Curve) -> str:
    mismatch = compare_series("test/accuracy", first, second)
    assert mismatch is not None
    return mismatch_text(mismatch)


def test_large_difference_is_in_the_unit_of_the_metric() -> None:
    found = text(curve(0.5, 0.5, 0.75), curve(0.5, 0.25, 0.5))
    assert found == (
        "test/accuracy: differs from step 1 on (0.5 | 0.25); largest difference 0.25, 0.5 relative"
    )


@pytest.mark.parametrize("ulps", [1, 2, 1000])
def test_difference_of_rounding_is_also_in_units_in_the_last_place(ulps: int) -> None:
    first = np.float32(0.5)
    second = np.float32(0.5 + ulps * 2.0**-24)
    assert text(curve(float(first)), curve(float(second))).endswith(f", {ulps:,} units in the last place")


@pytest.mark.parametrize(("ulps", "named"), [(FEW_ULPS, True), (FEW_ULPS + 1, False)])
def test_limit_of_few_units(ulps: int, named: bool) -> None:
    first = np.array([1.0], np.float32)
    second = (first.view(np.uint32) + np.uint32(ulps)).view(np.float32)
    mismatch = compare_arrays("weights", first, second)
    assert mismatch is not None
    assert ("units in the last place" in mismatch_text(mismatch)) is named
    assert "largest difference 0.0119" in mismatch_text(mismatch)


def test_difference_of_small_values_is_absolute_and_relative() -> None:
    mismatch = compare_arrays("biases", np.array([0.0, 2.0], np.float32), np.array([0.001, 2.0], np.float32))
    assert mismatch is not None
    assert mismatch_text(mismatch) == "biases: largest difference 0.001, 0.0005 relative"


def test_classes_that_differ_are_counted() -> None:
    mismatch = compare_arrays("predictions", np.array([1, 2, 3], np.uint8), np.array([1, 9, 9], np.uint8))
    assert mismatch is not None
    assert mismatch_text(mismatch) == "predictions: 2 differ"


def test_values_that_are_not_finite_have_no_absolute_difference() -> None:
    mismatch = compare_series("loss", curve(1.0, np.nan), curve(1.5, 2.0))
    assert mismatch is not None
    assert mismatch.largest == 0.5
    assert mismatch_text(mismatch).startswith(
        "loss: differs from step 0 on (1.0 | 1.5); largest difference 0.5"
    )


@pytest.mark.parametrize(
    ("first", "second", "text_of_size"),
    [
        ((0.5, 0.75), (0.5, 0.25, 1.0), "largest difference 0.5 over 2 common steps"),
        ((0.5, 0.25, 1.0), (0.5,), "largest difference 0 over 1 common step"),
        ((0.5, np.nan), (0.25, 0.25, 0.25), "largest difference 0.25 over 2 common steps"),
    ],
)
def test_series_of_different_lengths_have_a_largest_difference_over_their_common_steps(
    first: tuple[float, ...], second: tuple[float, ...], text_of_size: str
) -> None:
    assert text(curve(*first), curve(*second)).endswith(f"; {text_of_size}")
    mismatch = compare_series("test/accuracy", curve(*first), curve(*second))
    assert mismatch is not None
    assert mismatch.largest_relative is None, "never equal within a tolerance"


def test_series_of_other_steps_are_compared_where_both_have_values() -> None:
    thin = Curve("id", "m", np.array([0, 2, 4]), np.array([0.5, 0.5, 0.5]))
    assert text(curve(0.5, 9.0, 0.25), thin).endswith("; largest difference 0.25 over 2 common steps")
    twice = Curve("id", "m", np.array([0, 1, 1]), np.array([0.5, 0.5, 0.5]))
    assert text(curve(0.5, 0.25), twice).endswith("; largest difference 0.25 over 2 common steps")


def test_series_without_a_common_step_have_no_largest_difference() -> None:
    later = Curve("id", "m", np.array([5]), np.array([0.5]))
    assert text(curve(0.5), later) == "test/accuracy: differs from step 0 on (0.5 | (none))"
