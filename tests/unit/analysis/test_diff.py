"""Differences of numbers in ulps, and the first step at which series differ."""

import math
from dataclasses import replace

import numpy as np
import pytest

from swath.analysis import RunValues, diff_lines, difference
from swath.analysis.divergence import Mismatch, compare_arrays, compare_series, ulp_distance
from swath.tracking import Curve

ONE = np.float32(1)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ulp_distance_of_neighbouring_numbers_is_one(kind: type) -> None:
    values = np.array([1.0, -1.0, 0.0, 1e-30, -3.5], kind)
    assert ulp_distance(values, np.nextafter(values, kind(np.inf))).tolist() == [1, 1, 1, 1, 1]
    assert ulp_distance(values, values).tolist() == [0] * 5


def test_ulp_distance_counts_across_zero_and_infinity() -> None:
    tiny = np.nextafter(np.float32(0), ONE)
    assert ulp_distance(np.array([-tiny]), np.array([tiny])).tolist() == [3]  # -tiny, -0, 0, tiny
    largest = np.array([np.finfo(np.float32).max])
    assert ulp_distance(largest, np.array([np.inf], np.float32)).tolist() == [1]


def test_ulp_distance_of_two_nans_is_zero() -> None:
    nan = np.array([np.nan])
    assert ulp_distance(nan, -nan).tolist() == [0]
    assert ulp_distance(nan, np.array([np.inf]))[0] > 0


def curve(values: list[float], steps: list[int] | None = None) -> Curve:
    at = list(range(len(values))) if steps is None else steps
    return Curve("id", "train/loss", np.array(at), np.array(values))


def test_identical_series_have_no_mismatch() -> None:
    series = [0.5, math.nan, math.inf]
    assert compare_series("train/loss", curve(series), curve(series)) is None
    assert compare_series("train/loss", None, None) is None


def test_mismatch_of_series_names_the_first_step_that_differs() -> None:
    other = [0.5, math.nextafter(0.25, 1), 1.0 + 4 * 2**-52]
    found = compare_series("train/loss", curve([0.5, 0.25, 1.0]), curve(other))
    assert found == Mismatch(
        "train/loss", 1, 0.25, other[1], 4, pytest.approx(4 * 2**-52), largest=4 * 2**-52
    )


@pytest.mark.parametrize(
    ("first", "second", "step"),
    [([0.5, 0.25], [0.5], 1), ([0.5], [0.5, 0.25], 1), ([], [0.5], 0)],
)
def test_missing_step_is_a_mismatch(first: list[float], second: list[float], step: int) -> None:
    found = compare_series("train/loss", curve(first), curve(second))
    assert found is not None
    assert found.step == step
    assert found.largest_ulps is None


def test_duplicate_step_is_a_mismatch() -> None:
    found = compare_series("train/loss", curve([0.5, 0.25], [0, 1]), curve([0.5, 0.25, 0.25], [0, 1, 1]))
    assert found is not None
    assert found.step == 1


def test_mismatch_names_a_different_value_before_a_missing_step() -> None:
    found = compare_series("train/loss", curve([0.5, 0.25, 0.125]), curve([0.5, 0.3]))
    assert found is not None
    assert (found.step, found.first, found.second) == (1, 0.25, 0.3)


def test_differences_are_relative_to_the_larger_value() -> None:
    found = compare_series("train/loss", curve([2.0, 1.0]), curve([2.5, 1.0]))
    assert found is not None
    assert found.largest_relative == pytest.approx(0.2)
    lost = compare_series("train/loss", curve([2.0]), curve([math.nan]))
    assert lost is not None
    assert lost.largest_relative == math.inf


def test_arrays_that_differ_in_one_bit() -> None:
    first = np.ones([3, 2], np.float32)
    second = first.copy()
    second[1, 1] = np.nextafter(ONE, np.float32(2))
    assert compare_arrays("weights", first, first.copy()) is None
    assert compare_arrays("weights", first, second) == Mismatch(
        "weights", None, None, None, 1, pytest.approx(2**-23), largest=2**-23
    )
    assert compare_arrays("weights", first, None) == Mismatch("weights", None, None, None, None)
    assert compare_arrays("weights", first, first[:2]) == Mismatch("weights", None, None, None, None)


def test_zero_and_minus_zero_are_a_mismatch() -> None:
    zeros = np.zeros(2, np.float32)
    assert compare_arrays("weights", zeros, -zeros) == Mismatch(
        "weights", None, None, None, 1, 0.0, largest=0.0
    )


def test_mismatch_of_predicted_classes_counts_them() -> None:
    first = np.array([1, 2, 3], np.uint8)
    found = compare_arrays("predictions of test images", first, np.array([1, 5, 7], np.uint8))
    assert found is not None
    assert (found.differing, found.largest_ulps) == (2, None)
    assert found.largest_relative == pytest.approx(2 / 3)


def test_series_of_float32_values_are_compared_in_ulps_of_float32() -> None:
    one = float(np.float32(1.5575))
    other = float(np.nextafter(np.float32(1.5575), np.float32(2)))
    found = compare_series("train/loss", curve([0.5, one]), curve([0.5, other]))
    assert found is not None
    assert found.largest_ulps == 1
    mixed = compare_series("train/loss", curve([0.1, one]), curve([0.1, other]))  # 0.1 is not a float32 value
    assert mixed is not None
    assert mixed.largest_ulps == 2**29


def test_nan_does_not_hide_the_largest_relative_difference() -> None:
    first, second = np.array([np.nan, 3.0, 1.0], np.float32), np.array([np.nan, 3.0, 2.0], np.float32)
    found = compare_arrays("weights", first, second)
    assert found is not None
    assert found.largest_relative == pytest.approx(1 / 3)
    infinite = compare_arrays("weights", np.array([np.inf, 3.0, 1.0]), np.array([np.inf, 3.0, 2.0]))
    assert infinite is not None
    assert infinite.largest_relative == pytest.approx(1 / 3)


def test_nans_with_different_payloads_are_equal() -> None:
    odd = np.array([0x7FC00001], np.uint32).view(np.float32)
    assert compare_arrays("weights", np.array([np.nan], np.float32), odd) is None


def numbers(curves: dict[str, Curve], every_steps: int = 1, **provenance: str) -> RunValues:
    named = {f"swath.{name}": value for name, value in provenance.items()}
    return RunValues({"learning_rate": "1e-06"}, named, "FINISHED", curves, {}, every_steps)


def test_a_thinned_run_is_compared_where_both_have_values() -> None:
    whole = curve([0.5, 0.4, 0.3, 0.2])
    thinned = curve([0.5, 0.3, 0.2], [0, 2, 3])
    found = difference(numbers({"train/loss": whole}), numbers({"train/loss": thinned}, every_steps=2))
    assert found.is_bit_identical
    assert list(diff_lines(found)) == [
        "stored: every 1 steps | every 2 steps",
        "numbers: identical, bit for bit",
    ]
    lost = difference(numbers({"train/loss": whole}), numbers({"train/loss": thinned}))
    assert not lost.is_bit_identical


@pytest.mark.parametrize("steps", [[0, 3], [0, 2], [], [0, 1, 2, 3]])
def test_a_thinned_run_that_has_lost_steps_differs(steps: list[int]) -> None:
    values = [0.5, 0.4, 0.3, 0.2]
    thinned = curve([values[step] for step in steps], steps)
    found = difference(
        numbers({"train/loss": curve(values)}), numbers({"train/loss": thinned}, every_steps=2)
    )
    assert found.is_bit_identical == (steps == [0, 1, 2, 3])


def test_runs_thinned_in_different_ways_are_compared_at_the_steps_of_both() -> None:
    values = [float(step) for step in range(14)]
    two, three = ([*range(0, 14, every)] for every in (2, 3))
    runs = [
        numbers(
            {"train/loss": curve([values[step] for step in [*steps, 13]], [*steps, 13])}, every_steps=every
        )
        for steps, every in ((two, 2), (three, 3))
    ]
    assert difference(*runs).is_bit_identical
    other = replace(runs[1].curves["train/loss"], values=runs[1].curves["train/loss"].values + 1)
    assert not difference(runs[0], replace(runs[1], curves={"train/loss": other})).is_bit_identical


def test_evaluations_are_compared_at_every_step_however_a_run_is_thinned() -> None:
    evaluated = curve([0.5, 0.6, 0.7], [0, 5, 9])
    other = curve([0.5, 0.65, 0.7], [0, 5, 9])
    pair = (
        numbers({"validation/accuracy": run}, every_steps=every)
        for run, every in ((evaluated, 1), (other, 2))
    )
    assert not difference(*pair).is_bit_identical


def test_arrays_that_differ_make_runs_differ() -> None:
    weights = np.ones(3, np.float32)
    first, second = (replace(numbers({}), arrays={"weights": array}) for array in (weights, weights * 2))
    assert [parting.name for parting in difference(first, second).numbers] == ["weights"]


def test_diff_lines_name_provenance_and_metrics_of_both_runs() -> None:
    found = difference(
        numbers({"train/loss": curve([0.5])}, tensorflow="2.21", commit="abc"),
        numbers({"train/loss": curve([0.25]), "the last train/loss": curve([0.25])}, tensorflow="2.22"),
    )
    assert list(diff_lines(found)) == [
        "environment: TensorFlow: 2.21 | 2.22",
        "environment: source commit: abc | (none)",
        "numbers: train/loss: differs from step 0 on (0.5 | 0.25); largest difference 0.25, 0.5 relative",
    ]
    failed = replace(numbers({}), ending="FAILED: diverged")
    assert "end: FINISHED | FAILED: diverged" in list(diff_lines(difference(numbers({}), failed)))
