"""Limits of a search: by steps, from the plan alone; by the clock; by patience."""

from dataclasses import replace

import numpy as np
import pytest
from support.small import run_config

from swath.config import TrainConfig
from swath.execution import RunResult
from swath.searching import (
    Course,
    Dimension,
    SearchOutcome,
    SearchPlan,
    Space,
    rounds_without_gain,
    rungs_of,
)
from swath.searching.budget import Budget
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


def course_of(plan: SearchPlan, *values: list[list[float | None]]) -> Course:
    """A course whose rounds have come as far as told: values at each rung, in the order of its trials."""
    course = Course(plan, SearchOutcome())
    for number, rungs in enumerate(values):
        course.begin_round()
        for at_rung in rungs:
            _, states = course.at_rung(number)
            for state, value in zip(states, at_rung, strict=True):
                state.values.append(value)
            list(course.decided())
    return course


def budget_at(plan: SearchPlan, course: Course, seconds: float) -> Budget:
    """The budget of a search that has trained for so many seconds."""
    now = 0.0
    clock = Clock(plan, lambda: now, began=0.0)
    clock.start()
    now = seconds
    return Budget(plan, course, clock)


LEFT = 30 * 6 + 60 * 2
"""Steps of a round of 24 after its first rung: 6 trials go on to 40 steps, 2 to 100."""

WHOLE = 24 * 10 + LEFT


@pytest.mark.parametrize(
    ("first", "left"),
    [
        ([[None] * 24], 0),  # all have failed: nothing is left of a round that has ended early
        ([[0.5] * 24, [None] * 6], 0),
        ([[0.5] * 24], LEFT),
        ([[0.5] * 24, [0.5] * 6], 60 * 2),
        ([], WHOLE),
    ],
)
@pytest.mark.parametrize("confirm", [0, 3])
def test_budget_counts_what_is_left_of_open_rounds(
    first: list[list[float | None]], left: int, confirm: int
) -> None:
    plan = plan_of(48, 24, within_s=1_000.0, confirm=confirm)
    course = course_of(plan, first)
    confirming = confirm * 2 * 100  # 3 of the 4 finalists of both rounds, with 2 more seeds
    needed = left + confirming + WHOLE  # at 100 steps in 100 s
    enough = budget_at(replace(plan, within_s=100.0 + needed), course, 100.0)
    assert enough.allows(1, 100) is True
    assert budget_at(replace(plan, within_s=99.0 + needed), course, 100.0).allows(1, 100) is False


def test_budget_ends_a_search_only_once_its_rounds_have_ended() -> None:
    plan = plan_of(48, 24, within_s=101.0, confirm=0)
    is_open = budget_at(plan, course_of(plan, [[0.5] * 24]), 100.0)
    assert (is_open.end(1, 100), is_open.allows(1, 100)) == ("", False)
    ended = budget_at(plan, course_of(plan, [[None] * 24]), 100.0)
    assert "no time is left for another round in 101 seconds" in ended.end(1, 100)


def test_budget_counts_the_steps_of_rounds_of_earlier_commands() -> None:
    """A round that has begun is whole in the sum, whatever its plan said: the limit is that of the search."""
    plan = plan_of(72, 24, confirm=0)
    course = course_of(plan, [[0.5] * 24], [])
    fits = budget_at(replace(plan, within_steps=2 * WHOLE), course, 1.0)
    assert fits.end(1, 240) == ""
    assert "too few of the" in fits.end(2, 240)
    assert "too few of the" in budget_at(replace(plan, within_steps=2 * WHOLE - 1), course, 1.0).end(1, 240)
    assert budget_at(plan, course, 1.0).end(2, 240) == ""


def result_of(right: int, images: int = 1_000) -> RunResult:
    correct = np.zeros(images, np.uint8)
    correct[:right] = 1
    found = {"validation": np.packbits(correct).tobytes()}
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
