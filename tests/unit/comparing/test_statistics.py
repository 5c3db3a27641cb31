"""Intervals, McNemar's test and main effects, against figures worked out elsewhere."""

import math

import numpy as np
import pytest

from swath.comparing.effects import effects_sentence, main_effects
from swath.comparing.statistics import mcnemar_p, spread, wilson_interval


def wilson_by_hand(correct: int, images: int) -> tuple[float, float]:
    z = 1.959963984540054
    share = correct / images
    centre = (share + z * z / (2 * images)) / (1 + z * z / images)
    reach = z / (1 + z * z / images) * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    return centre - reach, centre + reach


@pytest.mark.parametrize(("correct", "images"), [(2047, 5000), (1, 10), (297, 300), (5000, 10000)])
def test_wilson_interval(correct: int, images: int) -> None:
    assert wilson_interval(correct / images, images) == pytest.approx(
        wilson_by_hand(correct, images), abs=1e-12
    )


@pytest.mark.parametrize("correct", [0, 50])
def test_wilson_interval_stays_between_0_and_1(correct: int) -> None:
    low, high = wilson_interval(correct / 50, 50)
    assert 0 <= low < high <= 1


def test_mcnemar_counts_images_that_only_one_classifies_correctly() -> None:
    first = np.array([True] * 90 + [True] * 9 + [False] * 1)
    second = np.array([True] * 90 + [False] * 9 + [True] * 1)
    # Of ten such images nine or more go to one side: twice (10 + 1) of 2 ** 10.
    assert mcnemar_p(first, second) == pytest.approx(22 / 1024)
    assert mcnemar_p(second, first) == pytest.approx(22 / 1024)


def test_mcnemar_of_equals_is_1() -> None:
    first = np.array([True, False, True])
    assert mcnemar_p(first, first) == 1.0


def test_spread() -> None:
    found = spread([0.3, 0.4, 0.5])
    assert (found.mean, found.deviation, found.count) == (pytest.approx(0.4), pytest.approx(0.1), 3)
    assert math.isnan(spread([0.3]).deviation)


GRID = {"rate": ["1", "1", "2", "2"], "batch": ["a", "b", "a", "b"]}


def test_effects_of_a_sum_add_up_to_everything() -> None:
    effects = main_effects(GRID, [0.0, 1.0, 3.0, 4.0])
    assert effects is not None
    assert [effect.name for effect in effects] == ["rate", "batch"]
    assert [effect.share for effect in effects] == [pytest.approx(0.9), pytest.approx(0.1)]
    assert effects[0].means == {"1": 0.5, "2": 3.5}


def test_effects_of_fields_that_act_only_together_are_nothing() -> None:
    effects = main_effects(GRID, [0.0, 1.0, 1.0, 0.0])
    assert effects is not None
    assert [effect.share for effect in effects] == [0.0, 0.0]
    assert effects_sentence(effects, "m").endswith("how they act together, 100%")


@pytest.mark.parametrize(
    ("grid", "values"),
    [
        ({name: column[:3] for name, column in GRID.items()}, [0.0, 1.0, 2.0]),
        (GRID, [0.0, 1.0, math.nan, 2.0]),
        (GRID, [1.0, 1.0, 1.0, 1.0]),
        ({"rate": ["1", "1"]}, [0.0, 1.0]),
        ({"rate": ["1", "2", "2"]}, [0.0, 1.0, 2.0]),
    ],
    ids=["a cell is missing", "not finite", "all the same", "nothing varies", "cells repeated unevenly"],
)
def test_effects_need_a_full_grid(grid: dict[str, list[str]], values: list[float]) -> None:
    assert main_effects(grid, values) is None


def test_one_field_explains_everything_that_varies() -> None:
    effects = main_effects({"rate": ["1", "2", "3"]}, [0.1, 0.2, 0.4])
    assert effects is not None
    assert effects[0].share == pytest.approx(1.0)
