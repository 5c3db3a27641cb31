"""What is asked of swath by one command, and what comes back for each configuration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from swath.analysis import REPEATED_BY, Ranking, RankingRow, configuration_of, rank
from swath.config import TrainConfig, computed_values
from swath.errors import SwathError
from swath.tracking import MetricBatch, RunLogger, Status, schema
from swath.training import TrainState

SINGLE = "single"
"""The name under which single runs are kept."""


@dataclass(frozen=True)
class SweepInfo:
    """What all runs of one command have in common.

    Attributes:
      sweep: the named sweep; `ad-hoc` for a grid typed at the shell, `single` for one run.
      sweep_id: unique per command.
      swept: the fields that vary, by dotted name.
      command: what was typed, without passwords.
      question: what the named sweep asks, in one line; empty where nothing is known.
    """

    sweep: str
    sweep_id: str
    swept: tuple[str, ...]
    command: str = ""
    question: str = ""

    @property
    def is_grid(self) -> bool:
        """Whether it is a sweep, and not a single run."""
        return self.sweep != SINGLE

    @property
    def over_seeds(self) -> bool:
        """Whether configurations are repeated with several seeds and ranked by their mean."""
        return set(REPEATED_BY) <= set(self.swept)


@dataclass(frozen=True)
class RunRequest:
    """One configuration to run.

    Attributes:
      config: what is run.
      overrides: what was typed to get it, `learning_rate=1e-06`.
      every_steps: interval at which metrics are logged.
      run_id: of the run in the store that goes on; None for a new one.
      start: where training goes on; None for zero weights.
      taken_over: values of the steps before `start` that the run itself may not have yet.
      attempt: how often it has been tried before by this command.
    """

    config: TrainConfig
    overrides: tuple[str, ...] = ()
    every_steps: int = 1
    run_id: str | None = None
    start: TrainState | None = None
    prefix_metrics: tuple[MetricBatch, ...] = ()
    attempt: int = 0

    @property
    def first_step(self) -> int:
        """The first step that is trained."""
        return 0 if self.start is None else self.start.step


@dataclass(frozen=True)
class RunResult:
    """How one configuration ended.

    Attributes:
      config: what was run.
      status: MLflow's.
      metrics: single values, by MLflow's names.
      error: the reason where it failed, in one line.
      logger: the run in the store.
      train_accuracy: mean training accuracy of the batches of its last `TRAIN_ACCURACY_STEPS` steps; nan
        where there was none.
      digest: result digest; empty if the run was interrupted.
      run_id: its id, once it has been settled.
      is_transient: whether the reason of a failure may pass by itself, such as an unreachable store.
      reused: whether this command did not train it: it was already done, or was skipped.
    """

    config: TrainConfig
    status: Status
    metrics: dict[str, float]
    error: str | None
    logger: RunLogger
    train_accuracy: float = math.nan
    digest: str = ""
    run_id: str | None = None
    is_transient: bool = False
    reused: bool = False

    @property
    def computing_s(self) -> float:
        """Its share of the time that training and evaluating its lane group took, in seconds."""
        return self.metrics[schema.TRAIN_S] + self.metrics[schema.EVALUATE_S]

    def ranking_row(self, place: int | None) -> RankingRow:
        """This result as a row of a ranking; `place` is None if it did not finish."""
        values = {name: str(value) for name, value in computed_values(self.config).items()}
        return RankingRow(place, self.run_id or "", self.status, values, self.metrics)

    def flushed(self) -> "RunResult":
        """This result once everything is stored: with the run's id, or failed where it could not be."""
        try:
            run_id, track_s = self.logger.flush()
        except SwathError as error:
            known, reason = self.error or "", str(error)
            both = known if reason in known else "; ".join(filter(None, [known, reason]))
            return replace(self, status="FAILED", error=both, run_id=self.logger.run_id)
        return replace(self, run_id=run_id, metrics={**self.metrics, schema.TRACK_S: track_s})

    def without_waiting(self) -> "RunResult":
        """This result without waiting for the store."""
        return self.flushed() if self.logger.is_flushed else replace(self, run_id=self.logger.run_id)


def rank_results(results: Sequence[RunResult]) -> Ranking:
    """Rank results; see `swath.ranking.rank`."""
    configurations = [configuration_of(computed_values(result.config)) for result in results]
    return rank([result.metrics for result in results], configurations=configurations)
