"""One run's life: fed with a lane's segments, ended by its last step, a divergence or a fault."""

import time
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from swath.data import Dataset
from swath.launch import Observer, RunRequest, RunResult
from swath.tracking.records import RunArtifacts, RunEnd, Status, StepBlock
from swath.tracking.tracker import TrackedRun
from swath.training.evaluation import Scores
from swath.training.resident import ResidentData
from swath.training.train import Segment, lane_parameters


class LaneRun:
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
        tracked: TrackedRun,
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
        self._train_s = 0.0
        self._group_s = 0.0
        self._evaluate_s = 0.0
        # Validation has a curve where it is evaluated along the way; its last point belongs to the curve.
        self._curves = ("validation/accuracy", "validation/loss") if self.config.evaluate_every_steps else ()

    @property
    def lane(self) -> int:
        """Index of its lane in the group."""
        return self._lane

    def add_steps(self, segment: Segment, lanes_alive: int) -> None:
        """Track the lane's steps of a segment; a loss that is not finite ends the run there."""
        self._train_s += segment.duration_s / lanes_alive
        self._group_s += segment.duration_s
        column = segment.lanes.index(self._lane)
        accuracies = segment.accuracies[:, column]
        losses = segment.losses[:, column]
        diverged = np.flatnonzero(~np.isfinite(losses))
        kept = int(diverged[0]) + 1 if diverged.size else len(losses)
        self._track(segment.span.first, {"train/accuracy": accuracies[:kept], "train/loss": losses[:kept]})
        self._observer.steps_done(self.config, segment.span.first, accuracies[:kept])
        if diverged.size:
            step = segment.span.first + kept - 1
            self._end("FAILED", {}, f"diverged at step {step}: loss is {losses[kept - 1]}")

    def add_validation(self, segment: Segment, scores: Scores, duration_s: float) -> None:
        """Track an evaluation along the way, at the end of a segment."""
        self._evaluate_s += duration_s
        found = _named("validation", scores, segment.lanes.index(self._lane))
        self._track(segment.span.end, {name: np.array([value]) for name, value in found.items()})

    def finish(
        self,
        segment: Segment,
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
        for name in ("validation/loss", "test/loss"):
            if not np.isfinite(metrics.get(name, 0.0)):
                last_step = segment.span.end - 1
                self._end("FAILED", metrics, f"diverged after step {last_step}: {name} is {metrics[name]}")
                return
        weights, biases = lane_parameters(segment, self._lane)
        no_images: NDArray[np.uint8] = np.zeros(0, np.uint8)
        artifacts = RunArtifacts(
            weights=weights,
            biases=biases,
            shift=data.statistics.shift,
            scale=data.statistics.scale,
            validation_predictions=no_images if validation is None else validation.predictions[:, column],
            test_predictions=test.predictions[:, column],
            test_labels=dataset.test_labels,
            class_names=dataset.class_names,
        )
        self._end("FINISHED", metrics, None, artifacts)

    def abort(self, status: Status, reason: str) -> None:
        """End a run that cannot go on, where it stands."""
        self._end(status, {}, reason)

    def _end(
        self,
        status: Status,
        metrics: dict[str, float],
        error: str | None,
        artifacts: RunArtifacts | None = None,
    ) -> None:
        metrics = {
            **metrics,
            "runtime/train_s": self._train_s,
            "runtime/group_s": self._group_s,
            "runtime/lanes": float(self._lanes),
            "runtime/evaluate_s": self._evaluate_s,
            "runtime/total_s": self._clock() - self._began,
        }
        once = {name: value for name, value in metrics.items() if name not in self._curves}
        self._tracked.end(RunEnd(status, once, error, artifacts))
        result = RunResult(self.config, status, metrics, error, self._tracked)
        self._observer.run_ended(result)
        self.ended.set_result(result)

    def _track(self, first_step: int, values: dict[str, NDArray[np.float64]]) -> None:
        self._tracked.log_steps(StepBlock(first_step, values))


def _named(split: str, scores: Scores, column: int) -> dict[str, float]:
    return {
        f"{split}/accuracy": float(scores.accuracies[column]),
        f"{split}/loss": float(scores.losses[column]),
    }
