"""One lane's life as a tracked run: fed with segments, ended by its last step, a divergence or a fault."""

import time
from collections.abc import Callable

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
    """A configuration that is being trained as one lane of a group, and its run in the store."""

    def __init__(
        self,
        request: RunRequest,
        lane: int,
        tracked: TrackedRun,
        observer: Observer,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._config = request.config
        self._lane = lane
        self._tracked = tracked
        self._observer = observer
        self._clock = clock
        self._began = clock()
        self._train_s = 0.0
        self._evaluate_s = 0.0
        # Validation has a curve where it is evaluated along the way; its last point belongs to the curve.
        self._curves = ("validation/accuracy", "validation/loss") if self._config.evaluate_every_steps else ()
        self.result: RunResult | None = None

    @property
    def ended(self) -> bool:
        """Whether the lane needs no more steps."""
        return self.result is not None

    def add_steps(self, segment: Segment, lanes_alive: int) -> None:
        """Track the lane's steps of a segment; a loss that is not finite ends the lane there."""
        self._train_s += segment.duration_s / lanes_alive
        accuracies = segment.accuracies[:, self._lane]
        losses = segment.losses[:, self._lane]
        diverged = np.flatnonzero(~np.isfinite(losses))
        kept = int(diverged[0]) + 1 if diverged.size else len(losses)
        self._track(segment.span.first, {"train/accuracy": accuracies[:kept], "train/loss": losses[:kept]})
        self._observer.steps_done(self._config, segment.span.first, accuracies[:kept])
        if diverged.size:
            step = segment.span.first + kept - 1
            self._end("FAILED", {}, f"diverged at step {step}: loss is {losses[kept - 1]}")

    def add_validation(self, step: int, scores: Scores, duration_s: float) -> None:
        """Track an evaluation along the way, after `step` updates."""
        self._evaluate_s += duration_s
        values = {name: np.array([value]) for name, value in _named("validation", scores, self._lane).items()}
        self._track(step, values)

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
        metrics = _named("test", test, self._lane)
        if validation is not None:
            last = _named("validation", validation, self._lane)
            metrics |= last
            if self._curves:
                self._track(segment.span.end, {name: np.array([value]) for name, value in last.items()})
        for name in ("validation/loss", "test/loss"):
            if not np.isfinite(metrics.get(name, 0.0)):
                last_step = segment.span.end - 1
                self._end("FAILED", metrics, f"diverged after step {last_step}: {name} is {metrics[name]}")
                return
        weights, biases = lane_parameters(segment.parameters, self._lane)
        no_images: NDArray[np.uint8] = np.zeros(0, np.uint8)
        artifacts = RunArtifacts(
            weights=weights,
            biases=biases,
            shift=data.statistics.shift,
            scale=data.statistics.scale,
            validation_predictions=no_images if validation is None else validation.predictions[:, self._lane],
            test_predictions=test.predictions[:, self._lane],
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
            "runtime/evaluate_s": self._evaluate_s,
            "runtime/total_s": self._clock() - self._began,
        }
        once = {name: value for name, value in metrics.items() if name not in self._curves}
        self._tracked.end(RunEnd(status, once, error, artifacts))
        self.result = RunResult(self._config, status, metrics, error, self._tracked)
        self._observer.run_ended(self.result)

    def _track(self, first_step: int, values: dict[str, NDArray[np.float64]]) -> None:
        self._tracked.log_steps(StepBlock(first_step, values))


def _named(split: str, scores: Scores, lane: int) -> dict[str, float]:
    return {
        f"{split}/accuracy": float(scores.accuracies[lane]),
        f"{split}/loss": float(scores.losses[lane]),
    }
