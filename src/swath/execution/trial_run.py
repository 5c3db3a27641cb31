"""One run's life: described to the store, fed with a lane's segments, ended."""

import json
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from swath.config import SCHEMA_VERSION, computed_values, fingerprint, readable_name, stored_config
from swath.datasets import Dataset
from swath.errors import SwathError
from swath.execution.events import Observer, StepsDone
from swath.execution.runs import RunRequest, RunResult, SweepInfo
from swath.models import RUNTIME, is_out_of_memory
from swath.tracking import (
    DatasetInfo,
    MetricBatch,
    RunArtifacts,
    RunInfo,
    RunLogger,
    RunSummary,
    Status,
    process_tags,
    schema,
)
from swath.training import (
    INITIAL,
    TRAIN_ACCURACY_STEPS,
    ResidentData,
    ResultDigest,
    Scores,
    SegmentResult,
    TrainState,
    lane_key,
    lane_parameters,
)


def run_info(request: RunRequest, sweep_info: SweepInfo, dataset: Dataset) -> RunInfo:
    """Everything that the store is told of a run before its first step."""
    config = request.config
    # That it was taken up says nothing of what it is, and whoever types the rest again wants it whole.
    overrides = [text for text in request.overrides if not text.startswith("resume=")]
    return RunInfo(
        name=readable_name(config, sweep_info.swept),
        params={name: str(value) for name, value in computed_values(config).items()},
        tags={
            schema.KIND: "run",
            schema.SWEEP: sweep_info.sweep,
            schema.SWEEP_ID: sweep_info.sweep_id,
            schema.SWEPT: " ".join(sweep_info.swept),
            schema.FINGERPRINT: fingerprint(config),
            schema.DATA_DIGEST: dataset.digest,
            schema.OVERRIDES: json.dumps(overrides),
            schema.CONFIG_SCHEMA: SCHEMA_VERSION,
            schema.LANE: lane_key(config, dataset.digest),
            schema.EVERY_STEPS: str(config.tracking.every_steps),
            **runtime_tags(),
        },
        dataset=DatasetInfo(
            name=dataset.name,
            digest=dataset.digest,
            source=dataset.source,
            images={
                "train_images": len(dataset.train_images) - config.data.validation_size,
                "validation_images": config.data.validation_size,
                "test_images": len(dataset.test_images),
            },
        ),
        config_yaml=stored_config(config),
        overrides_yaml=OmegaConf.to_yaml(OmegaConf.create(overrides)),
    )


@cache
def runtime_tags() -> dict[str, str]:
    """What every run of this process says of it: which process, and what it computes with."""
    return {
        **process_tags(schema.PID),
        schema.TENSORFLOW: RUNTIME.tensorflow,
        schema.ONEDNN: str(RUNTIME.onednn).lower(),
        schema.INTRA_OP_THREADS: str(RUNTIME.intra_op_threads),
        schema.INTER_OP_THREADS: str(RUNTIME.inter_op_threads),
        schema.DEVICE: RUNTIME.device,
    }


def is_transient(fault: Exception | None) -> bool:
    """Whether what was raised is something that can pass: a store, a disk or a memory, not the numbers."""
    return isinstance(fault, SwathError | OSError) or is_out_of_memory(fault)


class TrialRun:
    """A configuration that is being trained in a lane of a group, and its run in the store.

    Attributes:
      config: the configuration.
      ended: resolves to the result when the run has ended.
    """

    def __init__(
        self,
        request: RunRequest,
        lane: int,
        lanes: int,
        tracked: RunLogger,
        observer: Observer,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin.

        Args:
          request: what is run.
          lane: index of its lane in the group.
          lanes: how many lanes the group has.
          tracked: the run in the store.
          observer: told what happens.
          clock: seconds, from any start.
        """
        self.config = request.config
        self.ended: Future[RunResult] = Future()
        self._lane = lane
        self._lanes = lanes
        self._tracked = tracked
        self._observer = observer
        self._clock = clock
        self._began = clock()
        self._group_s = 0.0
        self._unstored: MetricBatch | None = None
        self._start = request.start
        start = request.start or INITIAL
        self._train_s, self._evaluate_s = start.train_s, start.evaluate_s
        self._last_accuracies = start.last_accuracies
        self._bits = ResultDigest(start.bits)
        for block in request.prefix_metrics:
            tracked.log(block)
        # Validation has a curve where it is evaluated along the way; its last point belongs to the curve.
        self._curves = (
            (schema.VALIDATION_ACCURACY, schema.VALIDATION_LOSS) if self.config.evaluate_every_steps else ()
        )

    @property
    def lane(self) -> int:
        """Index of its lane in the group."""
        return self._lane

    @property
    def starting_parameters(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Weights and biases that it goes on with; None for zeros."""
        return None if self._start is None else (self._start.weights, self._start.biases)

    def state_after(self, segment: SegmentResult) -> TrainState:
        """Where it stands after a segment that it has been fed with: what it can go on from."""
        weights, biases = lane_parameters(segment, self._lane)
        step = segment.span.end
        seconds = (self._train_s, self._evaluate_s)
        return TrainState(step, weights, biases, self._bits.state, self._last_accuracies, *seconds)

    def add_steps(self, segment: SegmentResult, lanes_alive: int) -> None:
        """Track the lane's steps of a segment; a loss that is not finite ends the run there."""
        self._train_s += segment.duration_s / lanes_alive
        self._group_s += segment.duration_s
        column = segment.lanes.index(self._lane)
        accuracies = segment.accuracies[:, column]
        losses = segment.losses[:, column]
        diverged = np.flatnonzero(~np.isfinite(losses))
        kept = int(diverged[0]) + 1 if diverged.size else len(losses)
        self._tracked.check()
        self._bits.add_steps(accuracies[:kept], losses[:kept])
        self._track_steps(segment.span.first, accuracies[:kept], losses[:kept])
        self._last_accuracies = np.append(self._last_accuracies, accuracies[:kept])[-TRAIN_ACCURACY_STEPS:]
        self._observer(StepsDone(self.config, segment.span.first, accuracies[:kept]))
        if diverged.size:
            step = segment.span.first + kept - 1
            self._end("FAILED", {}, f"diverged at step {step}: loss is {losses[kept - 1]}")

    def _track_steps(
        self, first_step: int, accuracies: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> None:
        """Track the steps that are due; keep the last of the others, in case none follows."""
        every = self.config.tracking.every_steps
        values = {schema.TRAIN_ACCURACY: accuracies, schema.TRAIN_LOSS: losses}
        last_step = first_step + len(losses) - 1
        last = {name: series[-1:] for name, series in values.items()}
        self._unstored = MetricBatch(last_step, last) if last_step % every else None
        due = -first_step % every
        if due < len(losses):
            chosen = {name: series[due::every] for name, series in values.items()}
            self._tracked.log(MetricBatch(first_step + due, chosen, every))

    def add_validation(self, segment: SegmentResult, scores: Scores, duration_s: float) -> None:
        """Track an evaluation along the way, at the end of a segment."""
        self._evaluate_s += duration_s
        found = _named("validation", scores, segment.lanes.index(self._lane))
        self._bits.add("validation", *found.values())
        self._track(segment.span.end, {name: np.array([value]) for name, value in found.items()})

    def finish(
        self,
        segment: SegmentResult,
        validation: Scores | None,
        test: Scores,
        duration_s: float,
        data: ResidentData,
        dataset: Dataset,
    ) -> None:
        """End the run after its last step, with its evaluations and what it has learned."""
        self._evaluate_s += duration_s
        column = segment.lanes.index(self._lane)
        metrics = _named("test", test, column)
        if validation is not None:
            last = _named("validation", validation, column)
            metrics |= last
            if self._curves:
                self._track(segment.span.end, {name: np.array([value]) for name, value in last.items()})
        self._bits.add("end", *metrics.values())
        for name in (schema.VALIDATION_LOSS, schema.TEST_LOSS):
            if not np.isfinite(metrics.get(name, 0.0)):
                last_step = segment.span.end - 1
                self._end("FAILED", metrics, f"diverged after step {last_step}: {name} is {metrics[name]}")
                return
        weights, biases = lane_parameters(segment, self._lane)
        no_images: NDArray[np.uint8] = np.zeros(0, np.uint8)
        held_back = self.config.data.validation_size
        artifacts = RunArtifacts(
            weights=weights,
            biases=biases,
            shift=data.statistics.shift,
            scale=data.statistics.scale,
            validation_predictions=no_images if validation is None else validation.predictions[:, column],
            validation_labels=dataset.train_labels[len(dataset.train_labels) - held_back :],
            test_predictions=test.predictions[:, column],
            test_labels=dataset.test_labels,
            class_names=dataset.class_names,
        )
        predictions = (artifacts.validation_predictions, artifacts.test_predictions)
        self._bits.add("learned", weights, biases, *predictions)
        self._end("FINISHED", metrics, None, artifacts)

    def abort(self, status: Status, reason: str, fault: Exception | None = None) -> None:
        """End a run that cannot go on, where it stands.

        Nothing is stored but its status and the reason: it may be taken up again, and its values then be
        stored as those of a run that was never cut off.

        Args:
          status: how it ends.
          reason: in one line.
          fault: what was raised.
        """
        # An error that is meant for people says all there is; a fault of the program needs its traceback.
        told = fault is None or isinstance(fault, SwathError)
        trace = "" if told else "".join(traceback.format_exception(fault))
        self._tracked.end(RunSummary(status, {}, reason, traceback=trace or None))
        result = RunResult(self.config, status, {}, reason, self._tracked, is_transient=is_transient(fault))
        self.ended.set_result(result)

    def _end(
        self,
        status: Status,
        metrics: dict[str, float],
        error: str | None,
        artifacts: RunArtifacts | None = None,
    ) -> None:
        metrics = {
            **metrics,
            schema.TRAIN_S: self._train_s,
            schema.GROUP_S: self._group_s,
            schema.LANES: float(self._lanes),
            schema.EVALUATE_S: self._evaluate_s,
            schema.TOTAL_S: self._clock() - self._began,
        }
        if self._unstored is not None:
            self._tracked.log(self._unstored)
        once = {name: value for name, value in metrics.items() if name not in self._curves}
        train_accuracy = float(self._last_accuracies.mean())
        bits = self._bits.hexdigest()
        tags = {schema.BITS: bits, schema.TRAIN_ACCURACY_TAG: repr(train_accuracy)}
        self._tracked.end(RunSummary(status, once, error, artifacts, tags))
        result = RunResult(self.config, status, metrics, error, self._tracked, train_accuracy, bits)
        self.ended.set_result(result)

    def _track(self, first_step: int, values: dict[str, NDArray[np.float64]]) -> None:
        self._tracked.log(MetricBatch(first_step, values))


def _named(split: str, scores: Scores, column: int) -> dict[str, float]:
    return {
        schema.accuracy(split): float(scores.accuracies[column]),
        schema.loss(split): float(scores.losses[column]),
    }
