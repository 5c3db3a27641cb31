"""Limits of a search: by steps, from the plan alone; by the clock; by patience."""

from dataclasses import replace

import numpy as np
import pytest
from support.small import run_config

from swath.config import TrainConfig
from swath.execution import RunResult
from swath.searching import Dimension, SearchPlan, Space, rounds_without_gain, rungs_of
from swath.searching.limits import Clock
from swath.searching.plan import most_rounds
from swath.searching.space import Point
from swath.sweeps import rounds_of
from swath.tracking import CompletedRun

SPACE = Space((Dimension("learning_rate", 1e-8, 1e-2, log=True),))


def compose(point: Point) -> TrainConfig:
    return run_config(learning_rate=float(point["learning_rate"]))


def plan_of(trials: int, size: int, **changes: object) -> SearchPlan:
    rounds = tuple(rounds_of(trials, size))
    plan = SearchPlan(
        SPACE, compose, lambda point: (), "qmc", 0, trials, size, rounds, rungs_of(100, None, 4, True)
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def test_steps_of_a_plan() -> None:
    # Rungs at 10, 40 and 100 steps: 24 trials, 6 and 2 of them go on; then 2 finalists with 2 more seeds.
    assert plan_of(24, 24).most_steps == 24 * 10 + 6 * 30 + 2 * 60 + 2 * 2 * 100
    assert plan_of(24, 24, confirm=0).most_steps == 24 * 10 + 6 * 30 + 2 * 60


@pytest.mark.parametrize("steps", [300, 940, 1_000, 1_500, 5_000])
def test_rounds_that_fit_are_the_most(steps: int) -> None:
    plan = plan_of(10_000, 24)
    rounds = most_rounds(plan, steps)
    assert replace(plan, rounds=rounds).most_steps <= steps
    *full, last = rounds
    more = (*full, last + 1) if last < 24 else (*rounds, 1)
    assert replace(plan, rounds=more).most_steps > steps
    assert all(size == 24 for size in full)


def test_no_trial_fits() -> None:
    assert most_rounds(plan_of(72, 24), 299) == ()


def test_clock_allows_what_fits_at_the_speed_so_far() -> None:
    now = 100.0
    clock = Clock(plan_of(48, 24, within_s=60.0), lambda: now, began=90.0)
    assert clock.left_s == 50.0
    assert clock.allows(0, 100, 100) is None
    clock.start()
    now = 110.0  # 10 s for 1,000 steps; 40 s are left for 4,000
    assert clock.allows(1_000, 3_000, 1_000) is True
    assert clock.allows(1_000, 3_000, 1_001) is False
    now = 200.0
    assert clock.left_s == 0.0


def test_no_limit_allows_everything() -> None:
    clock = Clock(plan_of(48, 24), lambda: 0.0, began=0.0)
    assert clock.left_s is None
    assert clock.allows(0, 10**9, 10**9) is True


def result_of(right: int, images: int = 1_000) -> RunResult:
    correct = np.zeros(images, np.uint8)
    correct[:right] = 1
    found = {"validation": np.packbits(correct)}
    return RunResult(run_config(), "FINISHED", {}, None, CompletedRun("", 0.0), correct=found)


def rounds_of_values(*rights: int) -> list[list[tuple[float, RunResult | None]]]:
    return [[(right / 1_000, result_of(right))] for right in rights]


def test_gain_within_chance_is_none() -> None:
    accuracy = "validation/accuracy"
    # 3 images more, all others alike: p = 0.25; 30 more: far below 0.05.
    assert rounds_without_gain(rounds_of_values(400, 403, 403), accuracy, True) == 2
    assert rounds_without_gain(rounds_of_values(400, 403, 433), accuracy, True) == 0
    assert rounds_without_gain(rounds_of_values(400, 430, 429), accuracy, True) == 1
    assert rounds_without_gain(rounds_of_values(430, 400), accuracy, True) == 1
    assert rounds_without_gain([[], *rounds_of_values(400)], accuracy, True) == 0


def test_any_lower_loss_is_a_gain() -> None:
    losses: list[list[tuple[float, RunResult | None]]] = [[(2.0, None)], [(1.999, None)], [(2.5, None)]]
    assert rounds_without_gain(losses, "validation/loss", False) == 1
