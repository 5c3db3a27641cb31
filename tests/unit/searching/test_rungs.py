"""Successive halving: sizes of rungs, decisions that depend on values only."""

import math
import random

import pytest

from swath.searching import Rungs, decide, rungs_of


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
    decisions = decide({0: 0.3, 1: 0.5, 2: 0.5, 3: 0.1, 4: 0.5, 5: 0.2, 6: 0.1, 7: 0.1}, 4, True)
    assert [each.trial for each in decisions if each.goes_on] == [1, 2]
    assert [each.trial for each in decisions] == [1, 2, 4, 0, 5, 3, 6, 7]
    assert {(each.of, each.bar) for each in decisions} == {(8, 0.5)}


def test_losses_are_minimized() -> None:
    assert decide({0: 2.0, 1: 1.0, 2: 3.0}, 4, False)[0].trial == 1


def test_failed_trials_come_last_and_never_go_on() -> None:
    decisions = decide(
        {0: None, 1: math.nan, 2: 0.1, 3: math.inf, 4: None, 5: None, 6: None, 7: None}, 4, True
    )
    assert decisions[0].trial == 2
    assert [each.trial for each in decisions if each.goes_on] == [2]
    assert not any(each.goes_on for each in decide({0: None, 1: math.nan}, 4, True))


def test_decisions_do_not_depend_on_the_order_of_arrival() -> None:
    values: dict[int, float | None] = {number: random.Random(number).random() for number in range(40)}
    shuffled = dict(random.Random(1).sample(list(values.items()), 40))
    assert decide(values, 4, True) == decide(shuffled, 4, True)
