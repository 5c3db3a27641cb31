"""Proposals: a function of space, seed, round and results, with few batch sizes and no point twice."""

import itertools
from dataclasses import replace
from importlib.metadata import version

import pytest
from support.small import run_config

from swath.config import TrainConfig, at_steps
from swath.errors import ConfigError
from swath.searching import Dimension, SearchPlan, Space, rungs_of, sampler_of
from swath.searching.proposing import Proposer
from swath.searching.samplers import library_of
from swath.searching.sampling import Told
from swath.searching.space import Point
from swath.sweeps import rounds_of

RATES = Dimension("learning_rate", 1e-8, 1e-2, log=True)
SIZES = Dimension("batch_size", 16, 500, whole=True, splits=True)
SPACE = Space((RATES, SIZES))


def compose(point: Point) -> TrainConfig:
    return run_config(
        learning_rate=float(point["learning_rate"]), batch_size=int(point.get("batch_size", "20"))
    )


def plan_of(space: Space, trials: int, size: int, sampler: str = "qmc", seed: int = 0) -> SearchPlan:
    return SearchPlan(
        space,
        compose,
        lambda point: (),
        sampler,
        seed,
        trials,
        size,
        tuple(rounds_of(trials, size)),
        rungs_of(100, None, 4, True),
    )


def proposed(plan: SearchPlan) -> list[Point]:
    proposer = Proposer(plan, sampler_of(plan.sampler, plan.space, plan.seed))
    return [
        each.point for number in range(len(plan.rounds)) for each in proposer.propose(number, told_of(number))
    ]


def told_of(rounds: int) -> list[Told]:
    points = [SPACE.at([(index + 0.5) / 24, 0.5]) for index in range(12 * rounds)]
    return [Told(point, 0, float(index % 7)) for index, point in enumerate(points)]


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_proposals_are_repeated_and_differ_by_seed(sampler: str) -> None:
    plan = plan_of(SPACE, 48, 24, sampler)
    assert proposed(plan) == proposed(plan)
    assert proposed(plan) != proposed(replace(plan, seed=1))
    rates = [point["learning_rate"] for point in proposed(plan)]
    assert len(set(rates)) == 48
    assert min(map(float, rates)) < 1e-7 and max(map(float, rates)) > 1e-3


def test_few_batch_sizes_are_proposed_in_a_round() -> None:
    points = proposed(plan_of(SPACE, 72, 72))
    assert len({point["batch_size"] for point in points}) == 6
    assert len({point["batch_size"] for point in proposed(plan_of(SPACE, 5, 5))}) == 1


@pytest.mark.parametrize("sampler", ["qmc", "random", "grid"])
def test_a_space_of_few_points_is_exhausted_and_no_point_comes_twice(sampler: str) -> None:
    space = Space(
        (
            Dimension("learning_rate", choices=("1e-6", "1e-5", "1e-4")),
            Dimension("batch_size", choices=("10", "20")),
        )
    )
    plan = plan_of(space, 10, 4, sampler)
    proposer = Proposer(plan, sampler_of(sampler, space, 0))
    rounds = [proposer.propose(number, []) for number in range(2)]
    points = [tuple(each.point.items()) for each in itertools.chain(*rounds)]
    assert len(points) == len(set(points)) == 6
    assert proposer.is_exhausted


def test_a_grid_has_no_intervals() -> None:
    with pytest.raises(
        ConfigError, match=r"^search\.sampler=grid: learning_rate is an interval; give its values$"
    ):
        sampler_of("grid", SPACE, 0)


def test_a_shorter_trial_keeps_the_schedule_of_its_full_length() -> None:
    config = run_config(max_steps=100, schedule="cosine")
    assert (at_steps(config, 10).max_steps, at_steps(config, 10).schedule_steps) == (10, 100)
    assert at_steps(config, 100) is config
    assert at_steps(run_config(max_steps=100), 10).schedule_steps is None


def test_library_that_draws_is_known_with_its_version() -> None:
    assert library_of("qmc") == f"scipy {version('scipy')}"
    assert library_of("grid") == ""
