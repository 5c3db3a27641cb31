"""What a search will do: its space, its rungs, its rounds and its budget."""

from collections.abc import Callable
from dataclasses import dataclass

from swath.config import TrainConfig
from swath.search.rungs import Rungs
from swath.search.space import Point, Space

LANES_PER_VALUE = 12
"""Trials of a round that share a value of a field that splits programs, so that lanes are full."""

DEFAULT_TRIALS = 72
DEFAULT_ROUND = 24


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
      round_size: trials that are proposed together.
      rungs: the rungs of each round.
      objective: metric that ranks trials.
      maximize: whether larger values are better.
      tests_all: whether every trial is evaluated on the test images.
      confirm: finalists that are trained with other seeds.
      confirm_seeds: further seeds of each.
      within_s: seconds after which nothing begins that would end later; None for no limit.
    """

    space: Space
    compose: Callable[[Point], TrainConfig]
    overrides: Callable[[Point], tuple[str, ...]]
    sampler: str
    seed: int
    trials: int
    round_size: int
    rungs: Rungs
    objective: str = "validation/accuracy"
    maximize: bool = True
    tests_all: bool = False
    confirm: int = 3
    confirm_seeds: int = 2
    within_s: float | None = None

    @property
    def rounds(self) -> tuple[int, ...]:
        """Trials of each round."""
        full, rest = divmod(self.trials, self.round_size)
        return (self.round_size,) * full + ((rest,) if rest else ())

    @property
    def most_steps(self) -> int:
        """Steps of all trials and of the confirming runs, if none fails."""
        finalists = sum(self.rungs.sizes(size)[-1] for size in self.rounds)
        confirming = min(self.confirm, finalists) * self.confirm_seeds * self.rungs.steps[-1]
        return sum(map(self.rungs.most_steps, self.rounds)) + confirming
