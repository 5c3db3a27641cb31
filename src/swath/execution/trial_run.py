"""Records one run: the results of its segments, its end."""

import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from swath import tracking
from swath.config import (
    computed_values,
)
from swath.datasets import Dataset
from swath.errors import SwathError
from swath.execution.events import Evaluation, Observer, SegmentTrained, StepsDone
from swath.execution.runs import Paused, RunRequest, RunResult, why_at_full_length
from swath.models import Arrays, is_out_of_memory, model_of
from swath.tracking import schema
from swath.training import INITIAL, TRAIN_ACCURACY_STEPS, ResultDigest, TrainState


def is_transient(fault: Exception | None) -> bool:
    """Whether a failure is transient: of the store, the disk or memory, but not divergence."""
    return isinstance(fault, SwathError | OSError) or is_out_of_memory(fault)


class TrialRun:
    """One configuration that is trained in a lane of a group, and its run in the store.

    Args:
      request: the configuration, and the state to start from.
      lane: index of its lane in the group.
      lanes: number of lanes of the group.
      logger: writes the run to the store.
      observer: receives an event for each segment.
      described: (whether it finished) -> metadata of a trial of a search at its end; None for other runs.
      clock: returns seconds since an arbitrary point in time.

    Attributes:
      config: the configuration.
      lane: index of its lane in the group.
      ended: resolves to the result when the run has ended.
    """

    def __init__(
        self,
        request: RunRequest,
        lane: int,
        lanes: int,
        logger: tracking.RunLogger,
        observer: Observer,
        described: Callable[[bool], tracking.RunInfo] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.config = request.config
        self._trial = request.trial
        self._stage = request.tags.get(schema.SEARCH_STAGE, "" if request.trial is None else schema.TRIAL)
        self._described = described
        self.lane = lane
        self.ended: Future[RunResult] = Future()
        self._lanes = lanes
        self._kept = request.kept
        self._logger = logger
        self._observer = observer
        self._clock = clock
        self._began: float | None = None
        self._group_s = 0.0
        self._unstored: tracking.MetricBatch | None = None
        start = request.start or INITIAL
        self._step = self._first_step = start.step
        self._train_s, self._evaluate_s = start.train_s, start.evaluate_s
        self._last_accuracies, self._last_loss = start.last_accuracies, start.last_loss
        if start.step == self.config.max_steps and not np.isnan(start.last_loss):  # it is ended only
            self._keep_last(start.step - 1, start.last_accuracies[-1:], np.array([start.last_loss]))
        self._digest = ResultDigest(start.digest)
        for batch in request.prefix_metrics:
            logger.log(batch)
        # With periodic validation, the last validation values are logged as points of a curve.
        self._curves = schema.VALIDATION if self.config.evaluate_every_steps else ()
        self._logged_to = 0

    def state(self, arrays: Arrays) -> TrainState:
        """The train state after the last segment, from which the run can be resumed.

        Args:
          arrays: arrays of its lane after that segment.
        """
        seconds = (self._train_s, self._evaluate_s)
        return TrainState(
            self._step, arrays, self._digest.state, self._last_accuracies, *seconds, self._last_loss
        )

    def add_steps(self, trained: SegmentTrained, open_lanes: int) -> None:
        """Log the steps of a segment; a loss that is not finite ends the run.

        Args:
          trained: the segment.
          open_lanes: number of lanes that share its training time.
        """
        if self._began is None:
            self._began = self._clock() - trained.duration_s
        self._train_s += trained.duration_s / open_lanes
        self._group_s += trained.duration_s
        column = trained.lanes.index(self.lane)
        accuracies = trained.accuracies[:, column]
        losses = trained.losses[:, column]
        diverged = np.flatnonzero(~np.isfinite(losses))
        kept = int(diverged[0]) + 1 if diverged.size else len(losses)
        self._logger.check()
        self._digest.add_steps(accuracies[:kept], losses[:kept])
        self._log_steps(trained.segment.first, accuracies[:kept], losses[:kept])
        self._last_loss = float(losses[kept - 1]) if kept else self._last_loss  # a run may be ended only
        self._last_accuracies = np.append(self._last_accuracies, accuracies[:kept])[-TRAIN_ACCURACY_STEPS:]
        self._step = trained.segment.first + kept
        self._observer(StepsDone(self.config, trained.segment.first, accuracies[:kept]))
        if diverged.size:
            reason = f"diverged at step {self._step - 1}: loss is {losses[kept - 1]}"
            self.ended.set_result(self._end("FAILED", {}, reason))

    def _log_steps(
        self, first_step: int, accuracies: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> None:
        """Log the steps that are due; keep the last step, which is logged if the run ends there."""
        if not len(losses):
            return
        every = self._kept.every
        values = {schema.TRAIN_ACCURACY: accuracies, schema.TRAIN_LOSS: losses}
        self._keep_last(first_step + len(losses) - 1, accuracies[-1:], losses[-1:])
        batch = tracking.MetricBatch(first_step, values, rows_every=every)
        if self._kept.in_file:
            self._logger.log(batch)
        elif -first_step % every < len(losses):
            self._logger.log(batch.rows())

    def _keep_last(self, step: int, accuracy: NDArray[np.float64], loss: NDArray[np.float64]) -> None:
        """Keep a step that is not due."""
        last = {schema.TRAIN_ACCURACY: accuracy, schema.TRAIN_LOSS: loss}
        self._unstored = tracking.MetricBatch(step, last) if step % self._kept.every else None

    def add_validation(self, trained: SegmentTrained, validation: Evaluation, duration_s: float) -> None:
        """Log an evaluation before the last step.

        Args:
          trained: the segment before the evaluation.
          validation: the scores.
          duration_s: the run's share of the evaluation time.
        """
        self._evaluate_s += duration_s
        found = _named(schema.SPLITS[0], validation, trained.lanes.index(self.lane))
        self._digest.add("validation", *found.values())
        self._log_once(trained.segment.end, found)

    def finish(self, trained: SegmentTrained, duration_s: float, dataset: Dataset) -> None:
        """End the run after its last step, or pause it there until a search has decided.

        Args:
          trained: its last segment, with evaluations and the arrays of its lane.
          duration_s: the run's share of the evaluation time.
          dataset: the data set.
        """
        self._evaluate_s += duration_s
        column = trained.lanes.index(self.lane)
        found = {split: trained.evaluations.get(split) for split in schema.SPLITS}
        shown: dict[str, float] = {}
        if self._trial is not None and not self._trial.tests:
            test_scores, found[schema.SPLITS[1]] = found[schema.SPLITS[1]], None
            if self._trial.shows_test and test_scores is not None:
                shown = _named(schema.SPLITS[1], test_scores, column)
        scores = {
            split: None if each is None else _named(split, each, column) for split, each in found.items()
        }
        no_images: NDArray[np.uint8] = np.zeros(0, np.uint8)
        predictions = {
            split: no_images if each is None else each.predictions[:, column] for split, each in found.items()
        }
        assert trained.statistics is not None
        learned = trained.states[self.lane]
        held_back = self.config.data.validation_size
        tested = found[schema.SPLITS[1]] is not None
        artifacts = tracking.RunArtifacts(
            model=model_of(computed_values(self.config)).name,
            arrays=learned,
            shift=trained.statistics.shift,
            scale=trained.statistics.scale,
            validation_predictions=predictions[schema.SPLITS[0]],
            validation_labels=dataset.train_labels[len(dataset.train_labels) - held_back :],
            test_predictions=predictions[schema.SPLITS[1]],
            test_labels=dataset.test_labels if tested else no_images,
            image_shape=dataset.image_shape,
            class_names=dataset.class_names,
        )
        validation, test = (scores[split] or {} for split in schema.SPLITS)
        if self._trial is not None:
            at_rung = zip((schema.RUNG_ACCURACY, schema.RUNG_LOSS), validation.values(), strict=True)
            self._log_once(trained.segment.end, dict(at_rung))
        sizes = tracking.sizes_of(dataset).text()
        if self._trial is None or self._trial.is_last:
            why = ""
            if self._trial is not None:
                why = self._trial.why or why_at_full_length(self._step)
            result = self._finish(trained.segment.end, validation, test, artifacts, sizes, why)
            self.ended.set_result(replace(result, metrics={**shown, **result.metrics}))
        else:
            state = going_on = self.state(learned)
            every = self.config.evaluate_every_steps
            if validation and every and self._step % every == 0:
                evaluated = ResultDigest(state.digest)
                evaluated.add("validation", *validation.values())
                going_on = replace(state, digest=evaluated.state)
                self._log_once(self._step, validation)
                self._logged_to = self._step

            def end(why: str) -> RunResult:
                return self._finish(trained.segment.end, validation, test, artifacts, sizes, why)

            result = self._result("PAUSED", {**test, **validation}, None, paused=Paused(state, going_on, end))
            self.ended.set_result(result)

    def _finish(
        self,
        step: int,
        validation: dict[str, float],
        test: dict[str, float],
        artifacts: tracking.RunArtifacts,
        data_sizes: str,
        why: str,
    ) -> RunResult:
        metrics = {**test, **validation}
        if validation and self._curves and step > self._logged_to:
            self._log_once(step, validation)
        self._digest.add("end", *metrics.values())
        for name in (schema.VALIDATION_LOSS, schema.TEST_LOSS):
            if not np.isfinite(metrics.get(name, 0.0)):
                reason = f"diverged after step {self._step - 1}: {name} is {metrics[name]}"
                return self._end("FAILED", metrics, reason, why=why)
        predictions = (artifacts.validation_predictions, artifacts.test_predictions)
        self._digest.add("learned", *artifacts.arrays.values(), *predictions)
        return self._end("FINISHED", metrics, None, artifacts, data_sizes, why)

    def abort(self, status: tracking.Status, reason: str, fault: Exception | None = None) -> None:
        """End a run before its last step.

        Only its status and the reason are stored, so that a resume can complete it as if it had not been
        interrupted.

        Args:
          status: its status in the store.
          reason: the reason, in one line.
          fault: the exception that ended it, if any.
        """
        # A SwathError explains itself; any other error needs its traceback.
        explained = fault is None or isinstance(fault, SwathError)
        trace = "" if explained else "".join(traceback.format_exception(fault))
        self._logger.end(tracking.RunSummary(status, {}, reason, traceback=trace or None))
        self.ended.set_result(self._result(status, {}, reason, is_transient=is_transient(fault)))

    def _end(
        self,
        status: tracking.Status,
        metrics: dict[str, float],
        error: str | None,
        artifacts: tracking.RunArtifacts | None = None,
        data_sizes: str = "",
        why: str = "",
    ) -> RunResult:
        metrics = {
            **metrics,
            schema.TRAIN_S: self._train_s,
            schema.GROUP_S: self._group_s,
            schema.LANES: float(self._lanes),
            schema.EVALUATE_S: self._evaluate_s,
            schema.TOTAL_S: 0.0 if self._began is None else self._clock() - self._began,
        }
        if self._unstored is not None:
            self._logger.log(self._unstored)
        once = {name: value for name, value in metrics.items() if name not in self._curves}
        train_accuracy = float(self._last_accuracies.mean())
        digest = self._digest.hexdigest()
        tags = {schema.BITS: digest, schema.TRAIN_ACCURACY_TAG: repr(train_accuracy)}
        if why:
            tags[schema.SEARCH_WHY] = why
        described = None if self._described is None else self._described(artifacts is not None)
        self._logger.end(tracking.RunSummary(status, once, error, artifacts, tags, described=described))
        correct = {} if artifacts is None else artifacts.correct()
        result = self._result(status, metrics, error, correct=correct, data_sizes=data_sizes)
        return replace(result, train_accuracy=train_accuracy, digest=digest)

    def _result(
        self,
        status: tracking.Status | Literal["PAUSED"],
        metrics: dict[str, float],
        error: str | None,
        **more: Any,
    ) -> RunResult:
        steps, trained = self._step, self._step - self._first_step
        return RunResult(
            self.config,
            status,
            metrics,
            error,
            self._logger,
            steps=steps,
            trained_steps=trained,
            stage=self._stage,
            trial=None if self._trial is None else self._trial.number,
            **more,
        )

    def _log_once(self, step: int, values: Mapping[str, float]) -> None:
        self._logger.log(
            tracking.MetricBatch(step, {name: np.array([value]) for name, value in values.items()})
        )


def _named(split: str, scores: Evaluation, column: int) -> dict[str, float]:
    return {
        schema.accuracy(split): float(scores.accuracies[column]),
        schema.loss(split): float(scores.losses[column]),
    }
