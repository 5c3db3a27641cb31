"""Samplers: they propose points of a space, round by round.

The points of a round are a function of the space, the seed, the round and the results of earlier rounds, so a
search that is begun again, or continued in another process, proposes the same ones.
"""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from swath.errors import ConfigError, SwathError
from swath.search.space import Dimension, Point, Space

LEAST_RESULTS = 12
"""Results that a rung must have before TPE learns from it: on few, it learns the luck of the seed."""

EXTRA = "pip install 'swath[search]'"
"""What installs Optuna."""


@dataclass(frozen=True)
class Told:
    """The result of a trial at a rung.

    Attributes:
      point: what was proposed.
      rung: index of the rung.
      value: value of the objective; None if it failed.
    """

    point: Point
    rung: int
    value: float | None


class Sampler(Protocol):
    """Proposes points. It is asked for every round, in order, also in a search that is resumed."""

    def candidates(self, round_number: int, told: Sequence[Told]) -> Iterator[Point]:
        """Points of a round, best first, without end unless the space has one.

        Args:
          round_number: from 0.
          told: results of earlier rounds.
        """


def seed_of(seed: int, *parts: object) -> int:
    """A seed of 32 bits for one purpose, from that of the search."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class RandomSampler:
    """Independent points, each evenly distributed."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed

    def candidates(self, round_number: int, told: Sequence[Told]) -> Iterator[Point]:
        """See `Sampler`."""
        import numpy as np

        generator = np.random.default_rng(seed_of(self._seed, "random", round_number))
        while True:
            yield self._space.at(generator.random(len(self._space.dimensions)).tolist())


class QmcSampler:
    """Points of a scrambled Sobol sequence (Owen 1998), which fills the space more evenly than chance."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._taken = 0

    def candidates(self, round_number: int, told: Sequence[Told]) -> Iterator[Point]:
        """See `Sampler`. A round goes on where the one before ended."""
        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self._space.dimensions), scramble=True, rng=seed_of(self._seed, "qmc"))
        if self._taken:
            sequence.fast_forward(self._taken)
        while True:
            self._taken += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # one point at a time is no power of two
                (places,) = sequence.random(1)
            yield self._space.at(places.tolist())


class GridSampler:
    """Every point of a space of choices, in the order of Hydra's grids."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space

    def candidates(self, round_number: int, told: Sequence[Told]) -> Iterator[Point]:
        """See `Sampler`. A round passes over the points of earlier ones, which were proposed before."""
        yield from map(dict, self._space.points())


class TpeSampler:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011; multivariate, Falkner et al. 2018).

    Each round has a study of its own in memory, filled with the results and seeded by the round: so the
    history in the store is the whole state.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._optuna = _optuna()

    def candidates(self, round_number: int, told: Sequence[Told]) -> Iterator[Point]:
        """See `Sampler`. It learns from the highest rung that has `LEAST_RESULTS` results."""
        optuna = self._optuna
        rungs = sorted({result.rung for result in told}, reverse=True)
        known: list[Told] = []
        for rung in rungs:
            known = [result for result in told if result.rung == rung and result.value is not None]
            if len(known) >= LEAST_RESULTS:
                break
        else:
            known = []
        sampler = optuna.samplers.TPESampler(seed=seed_of(self._seed, "tpe", round_number), group=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials([self._trial(result) for result in known])
        while True:
            trial = study.ask()
            point: dict[str, str] = {}
            for dimension in self._space.dimensions:
                if self._space.existing(point, dimension):
                    drawn = trial._suggest(dimension.label, self._distribution(dimension))
                    point[dimension.name] = drawn if dimension.choices else dimension.text(drawn)
            yield point

    def _trial(self, result: Told) -> Any:
        """A finished trial of Optuna."""
        found = [each for each in self._space.dimensions if each.name in result.point]
        found = [each for each in found if self._space.existing(result.point, each)]
        return self._optuna.trial.create_trial(
            params={each.label: each.value(result.point[each.name]) for each in found},
            distributions={each.label: self._distribution(each) for each in found},
            value=result.value,
        )

    def _distribution(self, dimension: Dimension) -> Any:
        found = self._optuna.distributions
        if dimension.choices:
            return found.CategoricalDistribution(dimension.choices)
        if dimension.whole:
            return found.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return found.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _optuna() -> Any:
    """Optuna, quiet.

    Raises:
      SwathError: it is not installed, or it is older than version 5.
    """
    try:
        import optuna
    except ImportError as error:
        others = "or choose search.sampler=qmc or random"
        raise SwathError(f"search.sampler=tpe needs Optuna; install it: {EXTRA}; {others}") from error
    if int(optuna.__version__.partition(".")[0]) < 5:
        raise SwathError(f"search.sampler=tpe needs Optuna 5 or later, found {optuna.__version__}: {EXTRA}")
    optuna.logging.set_verbosity(logging.WARNING)
    return optuna


SAMPLERS: dict[str, type[Any]] = {
    "qmc": QmcSampler,
    "random": RandomSampler,
    "tpe": TpeSampler,
    "grid": GridSampler,
}
"""Samplers by the value of `search.sampler`."""

NOT_RESUMABLE = ("cmaes", "nsgaii", "nsgaiii", "gp", "bruteforce")
"""Samplers of others that a search of swath does not have: their state is not their history, so a search
could not be resumed exactly."""


def sampler_of(name: str, space: Space, seed: int) -> Sampler:
    """Create a sampler.

    Raises:
      ConfigError: the sampler cannot propose points of this space.
    """
    if name == "grid" and (open_ended := [each for each in space.dimensions if each.is_number]):
        raise ConfigError([f"search.sampler=grid: {open_ended[0].name} is an interval; give its values"])
    sampler: Sampler = SAMPLERS[name](space, seed)
    return sampler
