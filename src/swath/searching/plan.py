"""What a search will do: its space, its rungs, its rounds and its budget."""

from collections.abc import Callable
from dataclasses import dataclass

from swath.config import TrainConfig
from swath.searching.rungs import Rungs
from swath.searching.samplers import library_of
from swath.searching.space import Point, Space
from swath.sweeps import SearchRecord
from swath.tracking import schema

LANES_PER_VALUE = 12
"""Trials of a round that share a value of a field that splits programs, so that lanes are full."""

DEFAULT_TRIALS = 72
DEFAULT_ROUND = 24

LARGEST_ROUND = 480
"""Trials of a round by default, at most: the weights of a trial are in memory until its rung is decided."""

MOST_TRIALS = 10_000
"""Trials of a search that ends by a limit."""


@dataclass(frozen=True)
class SearchPlan:
    """A search.

    Attributes:
      space: what it looks through.
      compose: the configuration of a point, at its full length.
      overrides: point -> the overrides of a command that trains it.
      sampler: name of the sampler.
      seed: of the proposals.
      trials: most trials.
      round_size: trials that are proposed together; 0 for all.
      rounds: trials of each round.
      rungs: the rungs of each round.
      objective: metric that ranks trials.
      maximize: whether larger values are better.
      tests_all: whether every trial is evaluated on the test images.
      confirm: finalists that are trained with other seeds.
      confirm_seeds: further seeds of each.
      space_lines: the overrides that make the space.
      when_lines: the conditions, as `search.when` has them.
      fixed_lines: overrides that set all other fields that decide a run's numbers.
      within_s: seconds after which nothing is begun, and what is trained is put down; None for no limit.
      within_steps: training steps of all trials and confirming runs, at most; None for no limit.
      held_back: validation images that the search holds back because nobody said how many; 0 if somebody did.
      patience: rounds without a gain that is more than chance, after which it ends; None for no limit.
    """

    space: Space
    compose: Callable[[Point], TrainConfig]
    overrides: Callable[[Point], tuple[str, ...]]
    sampler: str
    seed: int
    trials: int
    round_size: int
    rounds: tuple[int, ...]
    rungs: Rungs
    space_lines: tuple[str, ...] = ()
    fixed_lines: tuple[str, ...] = ()
    when_lines: tuple[str, ...] = ()
    objective: str = schema.VALIDATION_ACCURACY
    maximize: bool = True
    tests_all: bool = False
    confirm: int = 3
    confirm_seeds: int = 2
    within_s: float | None = None
    within_steps: int | None = None
    patience: int | None = None
    held_back: int = 0

    @property
    def record(self) -> SearchRecord:
        """What decides the trials, for the manifest."""
        return SearchRecord(
            list(self.space_lines),
            list(self.fixed_lines),
            self.sampler,
            self.seed,
            list(self.rungs.steps),
            self.rungs.factor,
            self.objective,
            "all" if self.tests_all else "finalists",
            self.confirm,
            self.confirm_seeds,
            self.round_size,
            self.trials,
            list(self.rounds),
            list(self.when_lines),
            library_of(self.sampler),
            self.rungs.columns,
        )

    @property
    def most_steps(self) -> int:
        """Steps of all trials and of the confirming runs, if none fails."""
        finalists = sum(self.rungs.most_sizes(size)[-1] for size in self.rounds)
        return sum(map(self.rungs.most_steps, self.rounds)) + self.confirming_steps(finalists)

    def confirming_steps(self, finalists: int) -> int:
        """Steps of the confirming runs, if so many trials come to the last rung."""
        return min(self.confirm, finalists) * self.confirm_seeds * self.rungs.steps[-1]


def most_rounds(plan: SearchPlan, steps: int) -> tuple[int, ...]:
    """The rounds of a plan that take at most so many steps, with the confirming runs; the last one is cut.

    They follow from the plan alone, so a search that is limited by steps is the same on every machine.
    """
    rounds: list[int] = []
    used = finalists = 0
    for size in plan.rounds:
        for trials in range(size, 0, -1):
            last = plan.rungs.most_sizes(trials)[-1]
            if used + plan.rungs.most_steps(trials) + plan.confirming_steps(finalists + last) <= steps:
                rounds.append(trials)
                used += plan.rungs.most_steps(trials)
                finalists += last
                break
        else:
            break
        if trials < size:
            break
    return tuple(rounds)
