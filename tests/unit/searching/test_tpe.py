"""The TPE sampler: what it learns, and that its proposals follow from space, seed, round and results."""

import importlib.util
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest
from support.searching import (
    CONDITIONAL,
    PREPROCESSING,
    RATES,
    SIZES,
    WIDE,
    plan_of,
    rate_and_size,
    rate_of_each,
    searched,
)

from swath.errors import ConfigError
from swath.searching import Dimension, Space, sampler_of
from swath.searching.sampling import QmcSampler, Told
from swath.searching.space import Point
from swath.searching.tpe import LEAST_RESULTS, TpeSampler, learned_from

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="Optuna is not installed: pip install 'swath[search]'"
)
ROUNDS = (24, 24, 24, 24)
TESTS = Path(__file__).parents[2]


@needs_optuna
@pytest.mark.parametrize("hash_seed", ["0", "17"])
def test_proposals_are_the_same_in_another_process(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "support.searching"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    wide, conditional = json.loads(done.stdout)
    assert wide == searched(plan_of(WIDE, ROUNDS, seed=3), rate_and_size)
    assert conditional == searched(plan_of(CONDITIONAL, ROUNDS, seed=3), rate_of_each)
    assert done.stderr == ""


@needs_optuna
def test_proposals_depend_on_seed_and_on_results() -> None:
    plan = plan_of(WIDE, ROUNDS)
    found = searched(plan, rate_and_size)
    assert searched(plan_of(WIDE, ROUNDS, seed=1), rate_and_size)[0] != found[0]
    other = searched(plan, lambda point: -rate_and_size(point))
    assert other[:2] == found[:2], "no results are known yet"
    assert all(first != second for first, second in zip(other[2:], found[2:], strict=True))


@needs_optuna
def test_more_trials_do_not_change_those_before() -> None:
    first = searched(plan_of(WIDE, (24, 24, 24)), rate_and_size)
    assert searched(plan_of(WIDE, (24, 24, 24, 24, 24)), rate_and_size)[:3] == first


@needs_optuna
def test_search_begins_as_a_quasi_random_one() -> None:
    found = searched(plan_of(WIDE, ROUNDS), rate_and_size)
    quasi_random = searched(plan_of(WIDE, ROUNDS, "qmc"), rate_and_size)
    assert found[:2] == quasi_random[:2]
    assert found[2] != quasi_random[2]


@needs_optuna
def test_it_finds_more_than_chance_with_as_many_trials() -> None:
    space = Space((RATES, Dimension("l2", 0.0, 1.0), SIZES))
    last, best = {}, {}
    for sampler in ("tpe", "random"):
        found = [searched(plan_of(space, ROUNDS, sampler, seed), rate_and_size) for seed in range(6)]
        last[sampler] = [statistics.median(map(rate_and_size, rounds[-1])) for rounds in found]
        best[sampler] = [max(map(rate_and_size, itertools.chain(*rounds))) for rounds in found]
    worse = [tpe < random for tpe, random in zip(last["tpe"], last["random"], strict=True)]
    assert not any(worse), last
    assert statistics.median(last["tpe"]) > 0.5 * statistics.median(last["random"]), "half as far away"
    assert statistics.median(best["tpe"]) > statistics.median(best["random"])


@needs_optuna
def test_dimensions_of_a_condition_are_learned_where_they_exist() -> None:
    rounds = searched(plan_of(CONDITIONAL, ROUNDS), rate_of_each)
    points = list(itertools.chain(*rounds))
    for point in points:
        rate = float(point["learning_rate"])
        if point["preprocessing"] == "standardize":
            assert set(point) == {"preprocessing", "learning_rate", "l2"}
            assert 1e-5 <= rate <= 1e-1
        else:
            assert set(point) == {"preprocessing", "learning_rate"}
            assert 1e-8 <= rate <= 1e-5
    assert {point["preprocessing"] for point in points} == {"mean_image", "standardize"}
    first, last = ([rate_of_each(point) for point in part] for part in (rounds[0], rounds[-1]))
    assert statistics.median(last) > statistics.median(first)
    assert sum(point["preprocessing"] == "standardize" for point in rounds[-1]) > 12


@needs_optuna
def test_proposals_lie_in_the_space_with_three_digits() -> None:
    odd = Space(
        (
            Dimension("learning_rate", 1.23456e-7, 1.98765e-6, log=True),
            Dimension("l2", 0.12345, 0.123459),
            Dimension("batch_size", 16, 123_456, log=True, whole=True),
            Dimension("momentum_steps", 7, 7, whole=True),
        )
    )
    sampler = sampler_of("tpe", odd, 0)
    # Results at the ends, whose digits are cut.
    ends = [odd.at([place, 1 - place, place, 0.5]) for place in (0.0, 1.0)]
    told = [Told(ends[number % 2], 0, float(number)) for number in range(24)]
    for point in itertools.islice(sampler.candidates(2, told), 48):
        assert 1.23456e-7 <= float(point["learning_rate"]) <= 1.98765e-6
        assert 0.12345 <= float(point["l2"]) <= 0.123459
        assert 16 <= int(point["batch_size"]) <= 123_456
        assert point["momentum_steps"] == "7"
        assert float(f"{int(point['batch_size']):.3g}") == int(point["batch_size"]) or point[
            "batch_size"
        ] in ("16", "123456")


@needs_optuna
def test_few_batch_sizes_are_proposed_in_a_round() -> None:
    space = Space((RATES, SIZES))
    for points in searched(plan_of(space, ROUNDS), rate_and_size):
        assert len({point["batch_size"] for point in points}) == 2
        assert len({point["learning_rate"] for point in points}) > 12


@pytest.mark.parametrize("sampler", ["qmc", "random", pytest.param("tpe", marks=needs_optuna)])
def test_a_round_has_more_batch_sizes_where_few_are_not_enough(sampler: str) -> None:
    space = Space((Dimension("learning_rate", choices=("1e-6", "1e-5", "1e-4")), SIZES))
    rounds = searched(plan_of(space, (24, 24, 24), sampler), rate_and_size)
    assert [len(points) for points in rounds] == [24, 24, 24]
    assert all(8 <= len({point["batch_size"] for point in points}) <= 16 for points in rounds)


@needs_optuna
def test_no_point_comes_twice_and_a_space_is_exhausted() -> None:
    rates = tuple(f"{digit}e-6" for digit in range(1, 10))
    space = Space(
        (
            Dimension("learning_rate", choices=rates),
            Dimension("batch_size", choices=("10", "20", "50", "100")),
            PREPROCESSING,
        )
    )
    found = list(itertools.chain(*searched(plan_of(space, (24, 24, 24)), rate_and_size)))
    assert len({tuple(point.items()) for point in found}) == len(found) == 72, "every point, and none twice"
    more = searched(plan_of(space, (24, 24, 24, 24)), rate_and_size)
    assert more[3] == []


RATES_ALONE = Space((RATES,))
POINTS = [RATES_ALONE.at([(0.3 + 0.618 * index) % 1]) for index in range(48)]
"""Spread evenly over the rates."""


def exponents(told: list[Told], waiting: list[Point]) -> list[float]:
    """Logarithms of 12 proposed rates."""
    found = TpeSampler(RATES_ALONE, 0).candidates(2, told, waiting)
    return [math.log10(float(point["learning_rate"])) for point in itertools.islice(found, 12)]


@needs_optuna
def test_it_keeps_away_from_points_whose_results_are_not_known() -> None:
    told = [Told(point, 0, -abs(math.log10(float(point["learning_rate"])) + 5)) for point in POINTS]
    waiting: list[Point] = [{"learning_rate": f"{10 ** (-5.5 + index / 24):.3g}"} for index in range(24)]
    near = [sum(-5.5 < each < -4.5 for each in exponents(told, known)) for known in ([], waiting)]
    assert near[0] >= 6 and near[1] <= 2, near


@needs_optuna
def test_it_keeps_away_from_where_trials_fail() -> None:
    rates = [float(point["learning_rate"]) for point in POINTS]
    # The best lie beside those that fail.
    values = [None if rate > 1e-4 else math.log10(rate) for rate in rates]
    told = [Told(point, 0, value) for point, value in zip(POINTS, values, strict=True)]
    finished = [each for each in told if each.value is not None]
    failing = [sum(each > -4 for each in exponents(known, [])) for known in (finished, told)]
    assert failing[1] <= failing[0] - 2, failing


@needs_optuna
def test_nothing_is_printed_and_nothing_warned(capsys: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searched(plan_of(CONDITIONAL, (24, 24, 24)), rate_of_each)
    assert capsys.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def told(rungs: dict[int, list[float | None]]) -> list[Told]:
    return [Told({"a": str(index)}, rung, value) for rung in rungs for index, value in enumerate(rungs[rung])]


def test_it_learns_from_the_highest_rung_with_enough_results() -> None:
    values: list[float | None] = [float(number) for number in range(LEAST_RESULTS)]
    found = learned_from(told({0: [*values, *values], 1: values, 2: values[:5]}))
    assert [each.rung for each in found] == [1] * LEAST_RESULTS
    assert learned_from(told({0: values[1:], 1: values[:3]})) == []
    assert learned_from([]) == []


def test_failures_count_as_worse_but_not_as_results() -> None:
    values: list[float | None] = [float(number) for number in range(LEAST_RESULTS)]
    found = learned_from(told({0: [*values, None, None], 1: [*values, None], 2: [None, 1.0]}))
    assert [(each.rung, each.value is None) for each in found if each.value is None] == [
        (0, True),
        (0, True),
        (1, True),
    ]
    assert len(found) == LEAST_RESULTS + 3
    assert learned_from(told({0: [*values[1:], None, None]})) == []


@pytest.fixture
def without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # importing it fails


@pytest.mark.usefixtures("without_optuna")
def test_without_optuna_a_line_says_what_to_install() -> None:
    with pytest.raises(ConfigError) as caught:
        sampler_of("tpe", WIDE, 0)
    assert caught.value.mistakes == [
        "search.sampler=tpe needs Optuna; install it: pip install 'swath[search]', "
        "or choose search.sampler=qmc or random"
    ]
    assert isinstance(sampler_of("qmc", WIDE, 0), QmcSampler), "the other samplers do not need it"


def test_an_older_optuna_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    older = types.ModuleType("optuna")
    older.__dict__["__version__"] = "4.9.0"
    monkeypatch.setitem(sys.modules, "optuna", older)
    with pytest.raises(ConfigError) as caught:
        sampler_of("tpe", WIDE, 0)
    (line,) = caught.value.mistakes
    assert line.startswith("search.sampler=tpe needs Optuna 5 or later, found 4.9.0; install it: pip install")
