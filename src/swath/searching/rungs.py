"""Successive halving: at how many steps trials are compared, and which of them go on.

Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization". A rung
is decided when every trial has come to it, so the decisions depend on values only, never on the order in
which trials arrive.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rungs:
    """The rungs of a search.

    Attributes:
      steps: steps of each rung, rising; the last is the full length.
      factor: one trial of this many goes on.
    """

    steps: tuple[int, ...]
    factor: int

    def sizes(self, trials: int) -> tuple[int, ...]:
        """Trials that come to each rung, of so many at the first."""
        found = [trials]
        for _ in self.steps[1:]:
            found.append(math.ceil(found[-1] / self.factor))
        return tuple(found)

    def most_steps(self, trials: int) -> int:
        """Steps of so many trials, if none fails."""
        before = (0, *self.steps[:-1])
        return sum(
            size * (end - first)
            for size, end, first in zip(self.sizes(trials), self.steps, before, strict=True)
        )


def rungs_of(max_steps: int, first_steps: int | None, factor: int, is_halved: bool) -> Rungs:
    """The rungs of trials of a length.

    Args:
      max_steps: steps of a trial that is never stopped.
      first_steps: steps of the first rung; None for a tenth of `max_steps`.
      factor: one trial of this many goes on, and a rung has this many times the steps of the one before.
      is_halved: whether there are rungs before the last.
    """
    found = []
    steps = max(1, -(-max_steps // 10)) if first_steps is None else first_steps
    while is_halved and steps < max_steps:
        found.append(steps)
        steps *= factor
    return Rungs((*found, max_steps), factor)


@dataclass(frozen=True)
class Decision:
    """What became of a trial at a rung.

    Attributes:
      trial: its number.
      place: its place among the trials of the rung, from 1.
      of: trials at the rung.
      goes_on: whether it is trained further.
      value: value of the objective; None if it failed.
      bar: value of the last trial that goes on; None if none does.
    """

    trial: int
    place: int
    of: int
    goes_on: bool
    value: float | None
    bar: float | None


def decide(values: Mapping[int, float | None], factor: int, maximize: bool) -> list[Decision]:
    """Which trials of a rung go on: the best of `factor`, at least one.

    Trials are ranked by value, then by number. Failed ones, and those whose value is not a number, come last
    and never go on.

    Args:
      values: value of the objective by trial; None for a trial that failed.
      factor: one trial of this many goes on.
      maximize: whether larger values are better.
    """
    count = math.ceil(len(values) / factor)
    ranked = rank(values, maximize)
    going = [trial for trial in ranked[:count] if is_value(values[trial])]
    bar = values[going[-1]] if going else None
    return [
        Decision(trial, place, len(ranked), trial in going, values[trial], bar)
        for place, trial in enumerate(ranked, start=1)
    ]


def stopped_because(decision: Decision, steps: int, going: int) -> str:
    """Why a trial ended at a rung, in one line.

    Args:
      decision: on the trial.
      steps: those of the rung.
      going: trials that went on.
    """
    known = decision.bar is not None and decision.value is not None
    against = f", {decision.value:.4f} against {decision.bar:.4f}" if known else ""
    return f"stopped at {steps}: place {decision.place} of {decision.of}, {going} went on{against}"


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
