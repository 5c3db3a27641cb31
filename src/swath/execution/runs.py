"""Requests for runs, and their results."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from swath.analysis import REPEATED_BY, CorrectMask, RankingRow, SearchedField
from swath.config import KeptSteps, TrainConfig, computed_values
from swath.errors import SwathError
from swath.tracking import CompletedRun, MetricBatch, RunLogger, RunSummary, Status, StoredRun, schema
from swath.training import TrainState

SINGLE = "single"
"""Sweep name of single runs."""

AD_HOC = "ad-hoc"
"""Name of a sweep that has none."""


@dataclass(frozen=True)
class SweepInfo:
    """Properties that all runs of a command share.

    Attributes:
      sweep: name of the sweep; `ad-hoc` for a sweep without a name, `single` for a single run.
      sweep_id: unique per command.
      swept: the fields that vary, by dotted name.
      command: the command as typed, without passwords.
      question: the question that a named sweep answers, in one line; empty if unknown.
      start_ms: when the command started, in milliseconds since 1970; None if unknown.
      tags: the user's own tags of every run.
      description: the user's description; empty if there is none.
      run_name: the user's name of the summary run or of the single run; empty for swath's own.
      space: what a search looks through, by swath or another sweeper of Hydra; empty for other sweeps.
      space_lines: the same as overrides; empty for other sweeps.
      most: configurations that another sweeper will ask for; None if that is not known.
      sweeper: name of another sweeper, which chooses during the sweep; empty for swath's own.
      objective: metric by which a search ranks; None for the default.
    """

    sweep: str
    sweep_id: str
    swept: tuple[str, ...]
    command: str = ""
    question: str = ""
    start_ms: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    run_name: str = ""
    space: tuple[SearchedField, ...] = ()
    objective: str | None = None
    space_lines: tuple[str, ...] = ()
    most: int | None = None
    sweeper: str = ""

    @property
    def is_grid(self) -> bool:
        """Whether this is a sweep rather than a single run."""
        return self.sweep != SINGLE

    @property
    def over_seeds(self) -> bool:
        """Whether each configuration has several seeds and is ranked by its mean."""
        return set(REPEATED_BY) <= set(self.swept)


@dataclass(frozen=True)
class Trial:
    """What a search says of a run whose length is decided while it is trained.

    Attributes:
      number: of the trial, from 0.
      round_number: of the round in which it was proposed, from 0.
      point: what was proposed, as JSON.
      full: the configuration at its full length.
      is_last: whether the run ends for good after the steps of its request.
      tests: whether it is evaluated on the test images after these steps.
      why: why it ends after these steps, if it was stopped there by an earlier command.
      shows_test: whether the result has the scores on the test images all the same, outside its digest.
    """

    number: int
    round_number: int
    point: str
    full: TrainConfig
    is_last: bool
    tests: bool
    why: str = ""
    shows_test: bool = False


def why_at_full_length(steps: int) -> str:
    """Why a trial ended that no rung has stopped."""
    return f"trained to its full length, {steps} steps"


@dataclass(frozen=True)
class Paused:
    """A run that has come to a rung; it waits for the decision.

    Attributes:
      state: its train state.
      going_on: train state from which it goes on. It has the evaluation that is due at this step, as if the
        run had not paused; a run that ends here does not have it.
      end: (why) -> the result; ends the run for good, without training.
    """

    state: TrainState
    going_on: TrainState
    end: "Callable[[str], RunResult]"


@dataclass(frozen=True)
class RunRequest:
    """One configuration to run.

    Attributes:
      config: the configuration.
      overrides: overrides that the user typed, such as `learning_rate=1e-06`.
      kept: which steps are stored, and where.
      run_id: id of the stored run to resume; None for a new run.
      start: train state to resume from; None to start at step 0.
      prefix_metrics: metrics of the steps before `start` that the stored run may lack.
      attempt: number of earlier attempts by this command.
      trial: what a search says of the run; None for a run that no search may stop.
      logger: writes the run that goes on, if this command has begun it.
      tags: further tags of the run.
    """

    config: TrainConfig
    overrides: tuple[str, ...] = ()
    kept: KeptSteps = field(default_factory=KeptSteps)
    run_id: str | None = None
    start: TrainState | None = None
    prefix_metrics: tuple[MetricBatch, ...] = ()
    attempt: int = 0
    trial: Trial | None = None
    logger: RunLogger | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_step(self) -> int:
        """The first step that is trained."""
        return 0 if self.start is None else self.start.step


@dataclass(frozen=True)
class RunResult:
    """Result of one run.

    Attributes:
      config: the configuration.
      status: one of MLflow's statuses.
      metrics: metrics with a single value, by name.
      error: reason of a failure, in one line.
      logger: writes the run to the store.
      train_accuracy: mean training accuracy over the batches of the last `TRAIN_ACCURACY_STEPS` steps; nan if
        there are none.
      digest: result digest; empty if the run was interrupted.
      run_id: id of the run, once it is known.
      is_transient: whether a failure is transient, such as an unreachable store.
      passes: whether a transient failure may be over later, with nothing changed by anybody.
      reused: whether this command did not train the run, because it had finished before or was skipped.
      steps: number of steps that the run has, with those of earlier commands.
      trained_steps: number of steps that this command trained.
      correct: which images are classified correctly, by split: ceil(images / 8) bytes, as `numpy.packbits`
        packs them; empty if unknown.
      data_sizes: tag with the sizes of its data set, as stored; empty if unknown.
      paused: how it goes on or ends, if its status is PAUSED.
      stage: what it is to a search, `trial` or `confirm`; empty for other runs.
      trial: number of the trial, if it is one.
    """

    config: TrainConfig
    status: Status | Literal["PAUSED"]
    metrics: dict[str, float]
    error: str | None
    logger: RunLogger
    train_accuracy: float = math.nan
    digest: str = ""
    run_id: str | None = None
    is_transient: bool = False
    passes: bool = False
    reused: bool = False
    steps: int = 0
    trained_steps: int = 0
    correct: Mapping[str, bytes] = field(default_factory=dict)
    data_sizes: str = ""
    paused: Paused | None = None
    stage: str = ""
    trial: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to train: the run finished or diverged."""
        return self.status == "FINISHED" or bool(self.digest)

    def stored(self) -> StoredRun:
        """This result as a reader of the store would return it, without times and most tags."""
        params = {name: str(value) for name, value in computed_values(self.config).items()}
        named = {schema.DATA_SIZES: self.data_sizes, schema.SEARCH_STAGE: self.stage}
        tags = {name: value for name, value in named.items() if value}
        return StoredRun(self.run_id or "", "", "", self.status, 0, None, "", params, self.metrics, tags)

    def correct_mask(self, metric: str) -> CorrectMask | None:
        """Which images of an accuracy's split are classified correctly; None if unknown."""
        split = schema.split_of(metric)
        packed = None if split is None else self.correct.get(split)
        if packed is None:
            return None
        images = (self.config.data, split)
        return CorrectMask(images, np.unpackbits(np.frombuffer(packed, np.uint8)).view(np.bool_))

    def ranking_row(self, place: int | None) -> RankingRow:
        """This result as a row of a ranking; `place` is None if the run did not finish."""
        values = {name: str(value) for name, value in computed_values(self.config).items()}
        return RankingRow(place, self.run_id or "", self.status, values, self.metrics)

    def flushed(self) -> "RunResult":
        """Wait until the run is stored; returns the result with its run id, or FAILED if storing failed."""
        try:
            run_id, track_s = self.logger.flush()
        except SwathError as error:
            known, reason = self.error or "", str(error)
            both = known if reason in known else "; ".join(filter(None, [known, reason]))
            lost = self.status != "FAILED"
            return replace(
                self,
                status="FAILED",
                error=both,
                run_id=self.logger.run_id,
                is_transient=self.is_transient or lost,
                passes=self.passes or error.passes,
                digest="" if lost else self.digest,
            )
        return replace(self, run_id=run_id, metrics={**self.metrics, schema.TRACK_S: track_s})

    def put_down(self, why: str = "", *, stores: bool = True) -> "RunResult":
        """This result; if it waits for a decision of a search, KILLED, because the decision will not come.

        Args:
          why: the reason, in one line; empty for a signal.
          stores: whether the store is told; otherwise its run stays open until the tracking process ends.
        """
        if self.paused is None:
            return self
        reason, logger = why or "interrupted", self.logger
        if stores:
            logger.end(RunSummary("KILLED", {}, reason))
        else:
            logger = CompletedRun(logger.run_id or "", 0.0)
        return replace(self, status="KILLED", error=reason, logger=logger, paused=None)

    def without_waiting(self) -> "RunResult":
        """The result as far as it is stored, without waiting."""
        return self.flushed() if self.logger.is_flushed else replace(self, run_id=self.logger.run_id)
