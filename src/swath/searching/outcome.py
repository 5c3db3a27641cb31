"""What a search knows of its trials, and what it has found."""

import statistics
from dataclasses import dataclass, field

from swath.execution import RunResult
from swath.searching.proposing import Proposal
from swath.searching.rungs import Decision


@dataclass
class TrialState:
    """A trial, as far as it has come.

    Attributes:
      proposal: what is trained.
      values: value of the objective at each rung that it has come to; None where it failed.
      result: the latest result.
      trained: steps that this command has trained of it.
    """

    proposal: Proposal
    values: list[float | None] = field(default_factory=list)
    result: RunResult | None = None
    trained: int = 0

    @property
    def last(self) -> float | None:
        """Value at its last rung."""
        return self.values[-1] if self.values else None


@dataclass(frozen=True)
class Confirmed:
    """A finalist with its confirming runs.

    Attributes:
      trial: its number.
      values: the objective of the trial, then with each other seed; those that did not fail.
    """

    trial: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.values)


@dataclass
class SearchOutcome:
    """What a search has found.

    Attributes:
      trials: all trials, by number.
      decisions: the decisions of each rung of each round: (round, rung, decisions).
      confirmed: the finalists, best mean first; empty without confirming runs.
      ended_by: why it ended before all trials, or empty.
      is_cut_off: whether something else than a limit of its own has stopped it.
    """

    trials: list[TrialState] = field(default_factory=list)
    decisions: list[tuple[int, int, list[Decision]]] = field(default_factory=list)
    confirmed: list[Confirmed] = field(default_factory=list)
    ended_by: str = ""
    is_cut_off: bool = False
