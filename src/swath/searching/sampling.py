"""Samplers propose points of a space, round by round; those that do not learn from results.

The points of a round are a function of the space, the seed, the round and the results of earlier rounds, so a
search that is begun again, or continued in another process, proposes the same ones.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from swath.searching.space import Point, Space


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

    def candidates(
        self, round_number: int, told: Sequence[Told], waiting: Sequence[Point] = ()
    ) -> Iterator[Point]:
        """Points of a round, best first, without end unless the space has one.

        Args:
          round_number: from 0.
          told: results of earlier rounds.
          waiting: points of earlier rounds whose results are not known yet.
        """


def seed_of(seed: int, *parts: object) -> int:
    """A seed of 32 bits for one purpose, from that of the search."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class RandomSampler:
    """Independent points, each evenly distributed."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed

    def candidates(
        self, round_number: int, told: Sequence[Told], waiting: Sequence[Point] = ()
    ) -> Iterator[Point]:
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

    def candidates(
        self, round_number: int, told: Sequence[Told], waiting: Sequence[Point] = ()
    ) -> Iterator[Point]:
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

    def candidates(
        self, round_number: int, told: Sequence[Told], waiting: Sequence[Point] = ()
    ) -> Iterator[Point]:
        """See `Sampler`. A round passes over the points of earlier ones, which were proposed before."""
        yield from map(dict, self._space.points())
