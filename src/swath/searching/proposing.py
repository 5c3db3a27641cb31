"""Turns points of a sampler into the trials of a round: no point twice, few values that split programs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from swath.config import TrainConfig, fingerprint
from swath.errors import ConfigError, SwathError
from swath.searching.plan import LANES_PER_VALUE, SearchPlan
from swath.searching.sampling import Sampler, Told
from swath.searching.space import Dimension, Point

TRIES = 100
"""Candidates for each trial until the space counts as exhausted."""

REPEATS_TO_WIDEN = 20
"""Candidates in a row that were proposed before, until a round may have one more value of each number that
splits programs."""


@dataclass(frozen=True)
class Proposal:
    """A trial before its training.

    Attributes:
      number: from 0, in the order of proposals.
      round_number: from 0.
      point: what was proposed.
      config: its configuration at full length.
    """

    number: int
    round_number: int
    point: Point
    config: TrainConfig


class Proposer:
    """Proposes the trials of a search, round by round."""

    def __init__(self, plan: SearchPlan, sampler: Sampler) -> None:
        self._plan = plan
        self._sampler = sampler
        self._seen: set[str] = set()
        self._points: list[Point] = []
        self.is_exhausted = False

    def propose(self, round_number: int, told: Sequence[Told]) -> list[Proposal]:
        """The trials of a round; fewer than planned if the space is exhausted."""
        size = self._plan.rounds[round_number]
        found: list[Proposal] = []
        kept = _Values(self._plan, size)
        repeats = 0
        candidates = self._sampler.candidates(round_number, told, self._waiting(told))
        for candidate in itertools.islice(candidates, TRIES * size):
            point = kept.snapped(candidate)
            config = self._composed(point)
            identity = fingerprint(config)
            if identity in self._seen:
                repeats += 1
                if repeats % REPEATS_TO_WIDEN == 0:
                    kept.widen()
                continue
            repeats = 0
            self._seen.add(identity)
            found.append(Proposal(len(self._points), round_number, point, config))
            self._points.append(point)
            if len(found) == size:
                return found
        self.is_exhausted = True
        return found

    def _waiting(self, told: Sequence[Told]) -> list[Point]:
        """What was proposed and has no result yet."""
        known = {tuple(result.point.items()) for result in told}
        return [point for point in self._points if tuple(point.items()) not in known]

    def _composed(self, point: Point) -> TrainConfig:
        try:
            return self._plan.compose(point)
        except ConfigError as error:
            shown = " ".join(f"{name}={text}" for name, text in point.items())
            raise SwathError(f"the search proposes {shown}: {'; '.join(error.mistakes)}") from error


class _Values:
    """Few values of each number that splits programs: the first of a round; others move to the nearest."""

    def __init__(self, plan: SearchPlan, size: int) -> None:
        self._dimensions = [each for each in plan.space.dimensions if each.splits and each.is_number]
        self._most = max(1, size // LANES_PER_VALUE)
        self._kept: dict[str, list[str]] = {each.label: [] for each in self._dimensions}
        self._space = plan.space

    def widen(self) -> None:
        """Allow one more value: those of the round have been proposed with everything else."""
        self._most += 1

    def snapped(self, point: Point) -> Point:
        changed = {
            each.name: self._nearest(each, point[each.name])
            for each in self._dimensions
            if each.name in point and self._space.existing(point, each)
        }
        return {**point, **changed}

    def _nearest(self, dimension: Dimension, text: str) -> str:
        kept = self._kept[dimension.label]
        if text in kept:
            return text
        if len(kept) < self._most:
            kept.append(text)
            return text
        place = dimension.place_of(text)
        return min(kept, key=lambda other: (abs(dimension.place_of(other) - place), other))
