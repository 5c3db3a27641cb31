"""One lane group's life: trained segment by segment, evaluated where it is due, its runs fed and ended."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.config import readable_name
from swath.datasets import PIXELS, Dataset
from swath.errors import SwathError
from swath.execution.events import Cancellation, GroupEnded, Observer, SegmentDone
from swath.execution.trial_run import TrialRun
from swath.planning import LaneGroup, WidthLimit, plan_segments, segment_steps_of, step_s
from swath.tracking import Status
from swath.training import (
    Checkpoints,
    Evaluate,
    LaneCheckpoint,
    LaneTraining,
    Program,
    ResidentData,
    Scores,
    SegmentResult,
    Split,
    lane_key,
)

_log = logging.getLogger("swath")


LEAVING_PAYS_S = 1.0
"""Training time that lanes must save by leaving: the narrower width may have to be probed first."""


@dataclass(frozen=True)
class CompiledData:
    """What groups with the same data and preprocessing share.

    Attributes:
      dataset: the images as they were loaded.
      data: the images as TensorFlow holds them.
      program: the loop over steps.
      evaluate: the evaluation.
    """

    dataset: Dataset
    data: ResidentData
    program: Program
    evaluate: Evaluate


@dataclass(frozen=True)
class _Evaluated:
    scores: Scores | None
    duration_s: float


class GroupTrainer:
    """A lane group that is being trained, and the runs in it.

    Args:
      group: who is trained.
      runs: one for each run of the group.
      compiled: for the group's data.
      usable: which widths keep the bits.
      stop: set to end the group after its present segment.
      observer: told how far it is.
      checkpoints: kept while it is trained; None for none.
    """

    def __init__(
        self,
        group: LaneGroup,
        runs: Sequence[TrialRun],
        compiled: CompiledData,
        usable: WidthLimit,
        stop: Cancellation,
        observer: Observer,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._group = group
        self._runs = runs
        self._compiled = compiled
        self._usable = usable
        self._stop = stop
        self._observer = observer
        self._checkpoints = checkpoints
        self._name = uuid.uuid4().hex[:16]  # of its checkpoints; no other group's, however it came about

    def train(self) -> None:
        """Train until every run has ended. A fault is not raised: it ends the runs here as FAILED."""
        try:
            starts = [self._starting_parameters(lane) for lane in range(len(self._group.lanes))]
            training = LaneTraining(
                self._group, self._compiled.program, PIXELS, starts=[each for each in starts if each]
            )
            segment = None
            for span in plan_segments(self._group, segment_steps_of(self._group)):
                if self._stop.is_set():
                    if segment is not None:
                        self._save(segment)
                    self._abort("KILLED", self._stop.reason)
                    return
                segment = training.advance(span)
                self._feed(segment)
                if not self._alive():
                    self._forget()
                    return
                self._keep(segment)
                self._compact_lanes(training)
        except Exception as error:
            _log.debug("training failed", exc_info=error)
            self._abort("FAILED", f"{type(error).__name__}: {error}".splitlines()[0], error)
        finally:
            self._observer(GroupEnded(self._group))

    def _starting_parameters(self, lane: int) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        return next(run.starting_parameters for run in self._runs if run.lane == lane)

    def _keep(self, segment: SegmentResult) -> None:
        """Save where the lanes stand, when it is time."""
        if self._checkpoints is not None and self._checkpoints.due(self._name):
            self._save(segment)

    def _save(self, segment: SegmentResult) -> None:
        if self._checkpoints is not None:
            digest = self._compiled.dataset.digest
            of_lanes = {run.lane: run for run in self._alive()}
            lanes = [
                LaneCheckpoint(lane_key(run.config, digest), run.state_after(segment))
                for run in of_lanes.values()
            ]
            self._checkpoints.save(self._name, lanes)

    def _forget(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.drop(self._name)

    def _alive(self) -> list[TrialRun]:
        return [run for run in self._runs if not run.ended.done()]

    def _abort(self, status: Status, reason: str, fault: Exception | None = None) -> None:
        for run in self._alive():
            run.abort(status, reason, fault)

    def _compact_lanes(self, training: LaneTraining) -> None:
        """Let lanes whose runs have all ended leave the program, where that pays and keeps the bits."""
        alive = self._alive()
        needed = sorted({run.lane for run in alive})
        shared, steps = self._group.shared, max(run.config.max_steps for run in alive) - training.steps_done
        before, after = (step_s(shared.batch_size, lanes) for lanes in (len(training.lanes), len(needed)))
        if (before - after) * steps < LEAVING_PAYS_S:
            return
        if self._usable(shared, len(needed)) == len(needed):
            training.keep(needed)

    def _feed(self, segment: SegmentResult) -> None:
        alive = self._alive()
        lanes_alive = len({run.lane for run in alive})
        for run in alive:
            self._isolate_failure(run, lambda run: run.add_steps(segment, lanes_alive))
        self._observer(SegmentDone(self._group, segment.span, len(segment.lanes)))
        config, end = self._group.shared, segment.span.end
        alive = self._alive()
        finishing = [run for run in alive if run.config.max_steps == end]
        going_on = [run for run in alive if run.config.max_steps > end]
        due = bool(config.evaluate_every_steps) and end % config.evaluate_every_steps == 0
        if not finishing and not (due and going_on):
            return
        validation = self._evaluate(segment, self._compiled.data.validation)
        scores, share_s = validation.scores, validation.duration_s / len(alive if due else finishing)
        if due and scores is not None:
            for run in going_on:
                self._isolate_failure(run, lambda run: run.add_validation(segment, scores, share_s))
        if finishing:
            test = self._evaluate(segment, self._compiled.data.test)
            test_scores, shares_s = test.scores, share_s + test.duration_s / len(finishing)
            assert test_scores is not None
            data, dataset = self._compiled.data, self._compiled.dataset
            for run in finishing:
                self._isolate_failure(
                    run, lambda run: run.finish(segment, scores, test_scores, shares_s, data, dataset)
                )

    def _isolate_failure(self, run: TrialRun, feed: Callable[[TrialRun], None]) -> None:
        """Feed one run; what goes wrong with its tracking ends that run alone."""
        try:
            feed(run)
        except Exception as error:
            if isinstance(error, SwathError):
                reason = str(error)
            else:
                _log.debug("a run failed: %s", readable_name(run.config), exc_info=error)
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
            if not run.ended.done():
                run.abort("FAILED", reason, error)

    def _evaluate(self, segment: SegmentResult, split: Split) -> _Evaluated:
        if len(split) == 0:
            return _Evaluated(None, 0.0)
        started = time.perf_counter()
        scores = self._compiled.evaluate(segment.parameters, len(segment.lanes), split)
        return _Evaluated(scores, time.perf_counter() - started)
