"""Successive halving: sizes of rungs, decisions that depend on values only."""

import math
import random

import pytest

from swath.models import has_free_lane
from swath.searching import Rungs, decide, rungs_of
from swath.searching.rungs import most_free_lanes, stopped_because


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ((5_000, None, 4, True), (500, 2_000, 5_000)),
        ((5_000, 125, 4, True), (125, 500, 2_000, 5_000)),
        ((5_000, 125, 2, True), (125, 250, 500, 1_000, 2_000, 4_000, 5_000)),
        ((5_000, None, 4, False), (5_000,)),
        ((2, None, 4, True), (1, 2)),
        ((1, None, 4, True), (1,)),
    ],
)
def test_steps_of_rungs(arguments: tuple[int, int | None, int, bool], steps: tuple[int, ...]) -> None:
    assert rungs_of(*arguments).steps == steps


def test_sizes_and_most_steps_of_72_trials() -> None:
    rungs = rungs_of(5_000, 125, 4, True)
    assert rungs.sizes(72) == (72, 18, 5, 2)
    assert rungs.most_steps(72) == 72 * 125 + 18 * 375 + 5 * 1_500 + 2 * 3_000
    assert Rungs((100,), 4).most_steps(3) == 300


def test_the_best_go_on_and_ties_go_to_the_lower_number() -> None:
    decisions = decide({0: 0.3, 1: 0.5, 2: 0.5, 3: 0.1, 4: 0.5, 5: 0.2, 6: 0.1, 7: 0.1}, 2, True)
    assert [each.trial for each in decisions if each.goes_on] == [1, 2]
    assert [each.trial for each in decisions] == [1, 2, 4, 0, 5, 3, 6, 7]
    assert {(each.of, each.bar) for each in decisions} == {(8, 0.5)}


def test_losses_are_minimized() -> None:
    assert decide({0: 2.0, 1: 1.0, 2: 3.0}, 1, False)[0].trial == 1


def test_failed_trials_come_last_and_never_go_on() -> None:
    decisions = decide(
        {0: None, 1: math.nan, 2: 0.1, 3: math.inf, 4: None, 5: None, 6: None, 7: None}, 2, True
    )
    assert decisions[0].trial == 2
    assert [each.trial for each in decisions if each.goes_on] == [2]
    assert not any(each.goes_on for each in decide({0: None, 1: math.nan}, 1, True))


def test_decisions_do_not_depend_on_the_order_of_arrival() -> None:
    values: dict[int, float | None] = {number: random.Random(number).random() for number in range(40)}
    shuffled = dict(random.Random(1).sample(list(values.items()), 40))
    assert decide(values, 10, True) == decide(shuffled, 10, True)


CIFAR10 = 10
"""Columns of a lane of softmax regression with ten classes: three lanes take as many tiles as two."""


def test_lanes_that_cost_nothing() -> None:
    assert [lanes for lanes in range(1, 25) if has_free_lane(CIFAR10, lanes)] == [
        2, 5, 7, 10, 13, 15, 18, 21, 23,
    ]  # fmt: skip
    assert not any(has_free_lane(100, lanes) for lanes in range(1, 5))


def test_trials_in_free_lanes_go_on() -> None:
    values = dict(enumerate([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]))
    groups = {trial: "even" if trial % 2 == 0 else "odd" for trial in values}
    decisions = decide(values, 3, True, groups, CIFAR10)
    # Two even lanes and one odd: a third even one is free; a second odd one needs another tile.
    assert [each.trial for each in decisions if each.goes_on] == [0, 1, 2, 4]
    assert stopped_because(decisions[3], 10) == (
        "stopped at 10: place 4 of 8, 3 went on and 1 in free lanes, 0.6000 against 0.7000"
    )
    assert [each.trial for each in decide(values, 3, True, groups, 0) if each.goes_on] == [0, 1, 2]


def test_failed_trials_take_no_free_lanes() -> None:
    values = {0: 0.9, 1: 0.8, 2: None, 3: math.nan}
    decisions = decide(values, 2, True, dict.fromkeys(values, "same"), CIFAR10)
    assert [each.trial for each in decisions if each.goes_on] == [0, 1]


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 10, 12, 15, 16, 26, 100])
def test_most_sizes_hold_however_trials_are_grouped(columns: int) -> None:
    rungs = rungs_of(1_000, None, 4, True, columns)
    for seed in range(200):
        drawn = random.Random(seed)
        trials = drawn.randint(1, 60)
        count = rungs.sizes(trials)[1]
        values: dict[int, float | None] = {number: drawn.random() for number in range(trials)}
        groups = {number: drawn.randint(0, drawn.randint(0, 6)) for number in values}
        going = [each for each in decide(values, count, True, groups, columns) if each.goes_on]
        assert count <= len(going) <= rungs.most_sizes(trials)[1]
    assert most_free_lanes(CIFAR10, 9) == 4
