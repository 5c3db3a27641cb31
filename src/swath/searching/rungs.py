"""Successive halving: at how many steps trials are compared, and which of them go on.

Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization". A rung
is decided when every trial has come to it, so the decisions depend on values only, never on the order in
which trials arrive.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count, takewhile

from swath.models import COLUMN_TILE, has_free_lane


@dataclass(frozen=True)
class Rungs:
    """The rungs of a search.

    Attributes:
      steps: steps of each rung, rising; the last is the full length.
      factor: one trial of this many goes on.
      columns: columns of a lane in a product that all lanes of a group share; 0 if each lane has its own.
    """

    steps: tuple[int, ...]
    factor: int
    columns: int = 0

    def sizes(self, trials: int) -> tuple[int, ...]:
        """Trials that come to each rung by their value, of so many at the first."""
        found = [trials]
        for _ in self.steps[1:]:
            found.append(math.ceil(found[-1] / self.factor))
        return tuple(found)

    def most_sizes(self, trials: int) -> tuple[int, ...]:
        """Trials that come to each rung, if every lane that is free is taken."""
        found = [trials]
        for size in self.sizes(trials)[1:]:
            found.append(min(found[-1], size + most_free_lanes(self.columns, size)))
        return tuple(found)

    def most_steps(self, trials: int) -> int:
        """Steps of so many trials, if none fails and every lane that is free is taken."""
        before = (0, *self.steps[:-1])
        return sum(
            size * (end - first)
            for size, end, first in zip(self.most_sizes(trials), self.steps, before, strict=True)
        )


def rungs_of(
    max_steps: int, first_steps: int | None, factor: int, is_halved: bool, columns: int = 0
) -> Rungs:
    """The rungs of trials of a length.

    Args:
      max_steps: steps of a trial that is never stopped.
      first_steps: steps of the first rung; None for a tenth of `max_steps`.
      factor: one trial of this many goes on, and a rung has this many times the steps of the one before.
      is_halved: whether there are rungs before the last.
      columns: see `Rungs`.
    """
    found = []
    steps = max(1, -(-max_steps // 10)) if first_steps is None else first_steps
    while is_halved and steps < max_steps:
        found.append(steps)
        steps *= factor
    return Rungs((*found, max_steps), factor, columns)


@dataclass(frozen=True)
class Decision:
    """What became of a trial at a rung.

    Attributes:
      trial: its number.
      place: its place among the trials of the rung, from 1.
      of: trials at the rung.
      goes_on: whether it is trained further.
      value: value of the objective; None if it failed.
      bar: value of the last trial that goes on by its value; None if none does.
      by_value: trials that go on by their value.
      in_free_lanes: further trials that go on, because their lanes cost nothing.
    """

    trial: int
    place: int
    of: int
    goes_on: bool
    value: float | None
    bar: float | None
    by_value: int = 0
    in_free_lanes: int = 0


def decide(
    values: Mapping[int, float | None],
    count: int,
    maximize: bool,
    groups: Mapping[int, Hashable] | None = None,
    columns: int = 0,
) -> list[Decision]:
    """Which trials of a rung go on: the best `count`, then those whose lanes cost nothing.

    Trials are ranked by value, then by number. Failed ones, and those whose value is not a number, come last
    and never go on.

    Args:
      values: value of the objective by trial; None for a trial that failed.
      count: trials that go on by their value.
      maximize: whether larger values are better.
      groups: a key by trial, equal for trials that are trained in one group.
      columns: see `Rungs`.
    """
    ranked = [trial for trial in rank(values, maximize) if is_value(values[trial])]
    going, others = ranked[:count], ranked[count:]
    free = _in_free_lanes(going, others, groups or {}, columns)
    bar = values[going[-1]] if going else None
    return [
        Decision(
            trial,
            place,
            len(values),
            trial in going or trial in free,
            values[trial],
            bar,
            len(going),
            len(free),
        )
        for place, trial in enumerate(rank(values, maximize), start=1)
    ]


def _in_free_lanes(
    going: Sequence[int], others: Sequence[int], groups: Mapping[int, Hashable], columns: int
) -> set[int]:
    """The best of `others` that can join the groups of those that go on without costing anything."""
    lanes = Counter(groups[trial] for trial in going) if groups and columns else Counter()
    found = set()
    for trial in others if lanes else ():
        there = lanes.get(groups[trial], 0)
        if there and has_free_lane(columns, there):
            lanes[groups[trial]] += 1
            found.add(trial)
    return found


@cache
def most_free_lanes(columns: int, trials: int) -> int:
    """Most lanes that cost nothing beside so many trials, however they are grouped."""
    if not columns:
        return 0
    least = next((lanes for lanes in range(1, COLUMN_TILE + 1) if has_free_lane(columns, lanes)), 0)
    in_a_row = max(
        sum(1 for _ in takewhile(lambda lanes: has_free_lane(columns, lanes), count(first)))
        for first in range(1, COLUMN_TILE + 1)
    )
    return trials // least * in_a_row if least else 0


def stopped_because(decision: Decision, steps: int) -> str:
    """Why a trial ended at a rung, in one line.

    Args:
      decision: on the trial.
      steps: those of the rung.
    """
    known = decision.bar is not None and decision.value is not None
    against = f", {decision.value:.4f} against {decision.bar:.4f}" if known else ""
    free = f" and {decision.in_free_lanes} in free lanes" if decision.in_free_lanes else ""
    place = f"place {decision.place} of {decision.of}, {decision.by_value} went on{free}"
    return f"stopped at {steps}: {place}{against}"


def rank(values: Mapping[int, float | None], maximize: bool) -> Sequence[int]:
    """Trials, best first; failed ones last."""

    def key(trial: int) -> tuple[bool, float, int]:
        value = values[trial]
        if value is None or not is_value(value):
            return True, 0.0, trial
        return False, -value if maximize else value, trial

    return sorted(values, key=key)


def is_value(value: float | None) -> bool:
    """Whether a trial has a value that can be compared."""
    return value is not None and math.isfinite(value)
