"""Importance of hyperparameters, on grids that can be checked by hand."""

import math

import pytest

from swath.analysis import importance_lines, main_effects

GRID = {"rate": ["1", "1", "2", "2"], "batch": ["a", "b", "a", "b"]}


def test_main_effects_of_a_sum_explain_all_variance() -> None:
    effects = main_effects(GRID, [0.0, 1.0, 3.0, 4.0])
    assert effects is not None
    assert [effect.name for effect in effects.fields] == ["rate", "batch"]
    assert [effect.share for effect in effects.fields] == [pytest.approx(0.9), pytest.approx(0.1)]
    assert effects.fields[0].means == {"1": 0.5, "2": 3.5}
    assert effects.interaction == pytest.approx(0)
    assert effects.residual is None


def test_pure_interaction_has_no_main_effects() -> None:
    effects = main_effects(GRID, [0.0, 1.0, 1.0, 0.0])
    assert effects is not None
    assert [effect.share for effect in effects.fields] == [0.0, 0.0]
    assert effects.interaction == 1.0


def test_residual_of_repetitions_is_separate_from_interaction() -> None:
    # Cells {0, 2} and {1, 3}: the sum of squares is 5, of which 4 is within the cells and 1 between them.
    effects = main_effects({"rate": ["1", "1", "2", "2"]}, [0.0, 2.0, 1.0, 3.0])
    assert effects is not None
    assert effects.residual == pytest.approx(0.8)
    assert effects.fields[0].share == pytest.approx(0.2)
    assert effects.interaction == pytest.approx(0)


def test_importance_lines_contain_shares_and_ranges_of_means() -> None:
    effects = main_effects(GRID, [0.0, 1.0, 3.0, 4.0])
    assert effects is not None
    assert importance_lines(effects, "m", "seed") == [
        "Variance in m: rate 90%, batch 10%, interaction 0%.",
        "Means by rate: lowest 0.5000 at 1, highest 3.5000 at 2.",
        "Means by batch: lowest 1.5000 at a, highest 2.5000 at b.",
    ]
    repeated = main_effects({"rate": ["1", "1", "2", "2"]}, [0.0, 2.0, 1.0, 3.0])
    assert repeated is not None
    assert importance_lines(repeated, "m", "seed")[0] == "Variance in m: rate 20%, seed 80%."
    assert importance_lines(repeated, "m", None)[0] == "Variance in m: rate 20%."
    flat = main_effects(GRID, [0.0, 0.0, 3.0, 3.0])
    assert flat is not None
    assert importance_lines(flat, "m", None)[-1] == "Means by batch: 1.5000 for all values."


@pytest.mark.parametrize(
    ("grid", "values"),
    [
        ({name: column[:3] for name, column in GRID.items()}, [0.0, 1.0, 2.0]),
        (GRID, [0.0, 1.0, math.nan, 2.0]),
        (GRID, [1.0, 1.0, 1.0, 1.0]),
        (GRID, [0.1, 0.1, 0.1, 0.1]),
        ({"rate": ["1", "1"]}, [0.0, 1.0]),
        ({"rate": ["1", "2", "2"]}, [0.0, 1.0, 2.0]),
    ],
    ids=[
        "a cell is missing",
        "not finite",
        "all the same",
        "all the same, but for rounding",
        "nothing varies",
        "cells repeated unevenly",
    ],
)
def test_effects_require_a_full_grid(grid: dict[str, list[str]], values: list[float]) -> None:
    assert main_effects(grid, values) is None


def test_one_field_explains_everything_that_varies() -> None:
    effects = main_effects({"rate": ["1", "2", "3"]}, [0.1, 0.2, 0.4])
    assert effects is not None
    assert effects.fields[0].share == pytest.approx(1.0)


def test_large_random_search_is_quickly_recognized_as_no_grid() -> None:
    names = ("rate", "batch", "steps")
    grid = {name: [f"{name}{place}" for place in range(20_000)] for name in names}
    assert main_effects(grid, [place / 20_000 for place in range(20_000)]) is None
