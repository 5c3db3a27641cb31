"""Confidence intervals and the paired test, against independently calculated values."""

import math

import numpy as np
import pytest
from scipy import stats

from swath.analysis import spread, wilson_interval
from swath.analysis.significance import paired_p


@pytest.mark.parametrize(("correct", "images"), [(2047, 5000), (1, 10), (297, 300), (0, 50), (50, 50)])
def test_wilson_interval_agrees_with_scipy(correct: int, images: int) -> None:
    expected = stats.binomtest(correct, images).proportion_ci(0.95, method="wilson")
    assert wilson_interval(correct / images, images) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("correct", [0, 50])
def test_wilson_interval_stays_between_0_and_1(correct: int) -> None:
    low, high = wilson_interval(correct / 50, 50)
    assert 0 <= low < high <= 1


def test_only_images_on_which_the_classifiers_disagree_count() -> None:
    first = np.array([True] * 90 + [True] * 9 + [False] * 1)
    second = np.array([True] * 90 + [False] * 9 + [True] * 1)
    # Nine or more of ten such images have the same sign: twice (10 + 1) of 2 ** 10 cases.
    assert paired_p(first, second) == pytest.approx(22 / 1024)
    assert paired_p(second, first) == pytest.approx(22 / 1024)


def test_paired_test_of_single_runs_is_mcnemar_s_exact_test() -> None:
    draw = np.random.default_rng(0)
    for images in (1, 7, 300, 5_000):
        first, second = draw.random(images) < 0.5, draw.random(images) < 0.45
        only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
        expected = stats.binomtest(only_first, only_first + only_second).pvalue if only_first else 1
        assert paired_p(first, second) == pytest.approx(expected, abs=1e-12)


def test_image_counts_once_with_its_difference_summed_over_seeds() -> None:
    # Differences 2, 1 and 0: of the four sign combinations of the first two, two give a sum of size 3.
    assert paired_p(np.array([3, 2, 1]), np.array([1, 1, 1])) == pytest.approx(0.5)
    # Differences 3, -1 and 1: of the eight sign combinations, +-(3+1+1) and twice +-(3-1+1) reach size 3.
    assert paired_p(np.array([3, 0, 1]), np.array([0, 1, 0])) == pytest.approx(6 / 8)


def test_seeds_that_agree_on_an_image_do_not_count_as_more_images() -> None:
    once = np.array([True] * 6 + [False] * 2)
    other = ~once
    assert paired_p(3 * once, 3 * other) == pytest.approx(paired_p(once, other))


def test_p_value_of_identical_classifiers_is_one() -> None:
    first = np.array([True, False, True])
    assert paired_p(first, first) == 1.0


def test_spread_is_mean_and_sample_standard_deviation() -> None:
    found = spread([0.3, 0.4, 0.5])
    assert (found.mean, found.std, found.count) == (pytest.approx(0.4), pytest.approx(0.1), 3)
    assert math.isnan(spread([0.3]).std)
