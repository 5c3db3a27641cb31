"""PED-ANOVA, against functions whose important field is known, and against integrals of SciPy's densities."""

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import truncnorm

from swath.analysis.importance import importance_among, importance_notes
from swath.analysis.ped_anova import BEST_SHARE, LEAST_TRIALS, NARROWEST, best_count, ped_anova
from swath.tracking import StoredRun


def best_first(values: NDArray[np.float64]) -> list[int]:
    return [int(index) for index in np.argsort(-values, kind="stable")]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trials", [40, 200])
def test_only_field_that_matters_has_nearly_all_importance(trials: int, seed: int) -> None:
    draws = np.random.default_rng(seed).random((trials, 3))
    values = -((draws[:, 1] - 0.3) ** 2)
    columns = {name: draws[:, place].tolist() for place, name in enumerate("abc")}
    found = ped_anova(columns, best_first(values))
    assert found[0].name == "b"
    assert found[0].share > 0.7
    assert math.fsum(each.share for each in found) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_only_choice_that_matters_has_nearly_all_importance(seed: int) -> None:
    generator = np.random.default_rng(seed)
    chosen, other = generator.integers(0, 4, 120), generator.random(120)
    values = np.where(chosen == 2, 1.0, 0.0) + 0.01 * generator.random(120)
    found = ped_anova({"a": [f"x{each}" for each in chosen], "b": other.tolist()}, best_first(values))
    assert (found[0].name, found[0].share > 0.8) == ("a", True)


def scott(places: NDArray[np.float64]) -> float:
    low, high = np.percentile(places, [25, 75])
    return max(1.06 * min(np.std(places), (high - low) / 1.34) / len(places) ** 0.2, NARROWEST)


def pearson(best: NDArray[np.float64], every: NDArray[np.float64]) -> float:
    """The divergence from SciPy's cut normal distributions, by adaptive integration."""
    width = min(scott(best), scott(every))

    def density(places: NDArray[np.float64], x: float) -> float:
        return float(np.mean(truncnorm.pdf(x, -places / width, (1 - places) / width, places, width)))

    def integrand(x: float) -> float:
        return (density(best, x) / density(every, x) - 1) ** 2 * density(every, x)

    return float(quad(integrand, 0, 1, limit=200, epsrel=1e-6)[0])


def test_shares_are_those_of_an_independent_computation() -> None:
    draws = np.random.default_rng(7).random((30, 2))
    order = best_first(-np.abs(draws[:, 0] - 0.6) - 0.3 * draws[:, 1])
    best = order[: best_count(30)]
    expected = np.array([pearson(draws[best, place], draws[:, place]) for place in (0, 1)])
    found = {
        each.name: each.share
        for each in ped_anova({"a": draws[:, 0].tolist(), "b": draws[:, 1].tolist()}, order)
    }
    assert [found["a"], found["b"]] == pytest.approx(expected / expected.sum(), rel=1e-3)


def test_shares_of_choices_are_those_of_fractions() -> None:
    # 16 trials, the best 8: `a` is x in all of these and in no other; `b` is u in half of each.
    columns = {"a": ["x"] * 8 + ["y"] * 8, "b": ["u", "v"] * 8}
    found = {each.name: each.share for each in ped_anova(columns, range(16))}
    assert found == {"a": 1.0, "b": 0.0}
    columns["b"] = ["u"] * 6 + ["v"] * 10
    half = Fraction(1, 2)

    def share(count: int, of: int) -> Fraction:
        return (count + half) / (of + 1)

    def divergence(best: int, every: int) -> Fraction:
        pairs = [(share(best, 8), share(every, 16)), (share(8 - best, 8), share(16 - every, 16))]
        return sum(((p / q - 1) ** 2 * q for p, q in pairs), Fraction(0))

    a, b = divergence(8, 8), divergence(6, 6)
    found = {each.name: each.share for each in ped_anova(columns, range(16))}
    assert found == {"a": pytest.approx(float(a / (a + b))), "b": pytest.approx(float(b / (a + b)))}


def test_field_that_exists_in_some_trials_is_judged_by_these() -> None:
    places = [math.nan, 0.5] * 10
    found = ped_anova({"a": ["x", "y"] * 10, "b": places}, [*range(1, 20, 2), *range(0, 20, 2)])
    assert [each.name for each in found] == ["a", "b"]
    assert found[1].share == pytest.approx(0, abs=1e-9)


def test_few_trials_and_equal_fields_say_nothing() -> None:
    assert ped_anova({"a": ["x", "y"] * 5}, range(LEAST_TRIALS - 2)) == []
    assert ped_anova({"a": ["x"] * 40}, range(40)) == []


@pytest.mark.parametrize(
    ("trials", "best"), [(12, 6), (16, 8), (72, 8), (100, 10), (1000, 1000 * BEST_SHARE)]
)
def test_best_are_a_tenth_or_eight(trials: int, best: int) -> None:
    assert best_count(trials) == best


def run(number: int, rate: str, size: str, accuracy: float) -> StoredRun:
    params = {"learning_rate": rate, "batch_size": size}
    return StoredRun(str(number), "1", "", "FINISHED", number, None, "", params, {"test/accuracy": accuracy})


def test_grid_with_holes_is_answered() -> None:
    rates = [f"1e-{power}" for power in range(2, 10)]
    runs = [
        run(8 * row + column, rate, size, 0.4 - 0.05 * abs(column - 4) + 0.001 * row)
        for row, size in enumerate(("16", "64", "256"))
        for column, rate in enumerate(rates)
        if (row, column) != (2, 7)
    ]
    found = importance_among(runs, ["learning_rate", "batch_size"], "test/accuracy")
    assert found[0].name == "learning_rate"
    assert found[0].share > 0.8
    (line,) = importance_notes(runs, ["learning_rate", "batch_size"], "test/accuracy", False)
    assert line.startswith("What distinguishes the best 8 of 23 (PED-ANOVA): learning_rate ")
