"""The executor that trains lane groups in threads of this process."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swath import training
from swath.config import TrainConfig, computed_values, shared_key
from swath.datasets import DataKey, Dataset
from swath.execution.events import Evaluation, GroupEvent, GroupStopped, GroupTask, SegmentTrained
from swath.models import model_of
from swath.planning import (
    ImageSizes,
    Segment,
    image_key,
    plan_segments,
    remember_verified,
    segment_steps_of,
    step_s,
    width_key,
)
from swath.system import workers
from swath.tracking import schema

MIN_SAVING_S = 1.0
"""Seconds that removing lanes must save: the narrower width may have to be verified first."""

MIN_SAVING_TRACED_S = 5.0
"""The same for a model that has a program for each width, which must be traced first."""


@dataclass(frozen=True)
class CompiledData:
    """Data and functions shared by lane groups with the same data, preprocessing, model and optimizer.

    Attributes:
      data: the images as TensorFlow tensors.
      program: the compiled loop over steps.
      evaluate: the compiled evaluation.
      sizes: of the images.
    """

    data: training.DeviceData
    program: training.Program
    evaluate: training.Evaluate
    sizes: ImageSizes


class GroupTrainer:
    """The training of one lane group.

    Args:
      task: the group, and the arrays to start from.
      compiled: data and functions of the group.
      is_bit_exact: whether a width is bit-exact for the group.
      is_stopping: whether to stop after the current segment.
      dropped: returns the numbers of runs that are not to be trained further.
      clock: returns seconds since an arbitrary point in time.
    """

    def __init__(
        self,
        task: GroupTask,
        compiled: CompiledData,
        is_bit_exact: Callable[[int], bool],
        is_stopping: Callable[[], bool],
        dropped: Callable[[], Collection[int]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task = task
        self._group = task.group
        self._compiled = compiled
        self._is_bit_exact = is_bit_exact
        self._is_stopping = is_stopping
        self._dropped = dropped
        self._clock = clock
        self._open = {run.number: lane for lane, each in enumerate(task.group.lanes) for run in each.runs}
        self._max_steps = {run.number: run.config.max_steps for run in task.group.runs}

    def train(self) -> Iterator[GroupEvent]:
        """Train until every run has finished, diverged or been dropped, or until `is_stopping`."""
        loop = training.LaneTraining(self._group, self._compiled.program, self._task.states)
        result: training.SegmentResult | None = None
        saved_at = self._clock()
        if self._group.first_step == self._group.max_steps:  # trained by an earlier command, and not ended
            untrained = loop.untrained()
            yield self._event(untrained.segment, untrained, False)
            return
        for segment in plan_segments(self._group, segment_steps_of(self._group)):
            if self._is_stopping():
                yield GroupStopped(self._task.group_id, self._states(result, self._lanes()))
                return
            result = loop.advance(segment)
            self._drop_diverged(result)
            due = self._clock() - saved_at >= self._task.state_every_s
            if due:
                saved_at = self._clock()
            yield self._event(segment, result, due)
            self._drop_ended(segment)
            if not self._open:
                return
            self._compact(loop)

    def _event(self, segment: Segment, result: training.SegmentResult, due: bool) -> SegmentTrained:
        finishing = [number for number in self._open if self._max_steps[number] == segment.end]
        states = self._states(
            result, self._lanes() if due else sorted({self._open[number] for number in finishing})
        )
        return SegmentTrained(
            self._task.group_id,
            segment,
            result.lanes,
            result.accuracies,
            result.losses,
            result.duration_s,
            self._evaluations(segment, result, finishing),
            states,
            due,
            self._compiled.data.statistics if finishing else None,
        )

    def _evaluations(
        self, segment: Segment, result: training.SegmentResult, finishing: Sequence[int]
    ) -> dict[str, Evaluation]:
        """Evaluate validation images if due or if a run finishes, and test images if a tested run does."""
        every = self._group.shared.evaluate_every_steps
        due = bool(every) and segment.end % every == 0 and bool(self._open)
        data, found = self._compiled.data, {}
        splits = {
            schema.SPLITS[0]: (data.validation, due or bool(finishing)),
            schema.SPLITS[1]: (data.test, not self._task.untested.issuperset(finishing)),
        }
        for name, (split, wanted) in splits.items():
            if wanted and len(split):
                found[name] = self._evaluate(result, split)
        return found

    def _evaluate(self, result: training.SegmentResult, split: training.Split) -> Evaluation:
        started = time.perf_counter()
        scores = self._compiled.evaluate(result.state[training.PARAMETERS], len(result.lanes), split)
        seconds = time.perf_counter() - started
        return Evaluation(scores.accuracies, scores.losses, scores.predictions, seconds)

    def _states(
        self, result: training.SegmentResult | None, lanes: list[int]
    ) -> dict[int, dict[str, np.ndarray]]:
        if result is None:
            return {}
        unpack = self._compiled.program.unpack
        return {lane: unpack(result.state, result.lanes.index(lane)) for lane in lanes}

    def _lanes(self) -> list[int]:
        """Lanes with an open run."""
        return sorted(set(self._open.values()))

    def _drop_diverged(self, result: training.SegmentResult) -> None:
        """Remove the runs of lanes whose loss is not finite."""
        finite = np.all(np.isfinite(result.losses), axis=0).tolist()
        diverged = {lane for lane, is_finite in zip(result.lanes, finite, strict=True) if not is_finite}
        self._open = {number: lane for number, lane in self._open.items() if lane not in diverged}

    def _drop_ended(self, segment: Segment) -> None:
        dropped = self._dropped()
        self._open = {
            number: lane
            for number, lane in self._open.items()
            if self._max_steps[number] > segment.end and number not in dropped
        }

    def _compact(self, loop: training.LaneTraining) -> None:
        """Stop training lanes without open runs, if that saves time and the new width is bit-exact."""
        needed = self._lanes()
        steps = max(self._max_steps[number] for number in self._open) - loop.steps_done
        shared, sizes = self._group.shared, self._compiled.sizes
        before, after = (step_s(shared, lanes, sizes) for lanes in (len(loop.lanes), len(needed)))
        least = MIN_SAVING_S if self._compiled.program.model.any_width else MIN_SAVING_TRACED_S
        if (before - after) * steps >= least and self._is_bit_exact(len(needed)):
            loop.keep(needed)


class ThreadExecutor:
    """Trains a group in the thread that reads its events; keeps data and compiled programs between groups.

    Args:
      datasets: the data sets of all configurations.
      verified: whether a width is bit-exact, by `planning.width_key`; copied, and extended by new checks.
    """

    def __init__(self, datasets: Mapping[DataKey, Dataset], verified: Mapping[str, bool]) -> None:
        self._datasets = datasets
        self._verified = dict(verified)
        self._compiled: dict[object, CompiledData] = {}
        self._device_data: dict[object, training.DeviceData] = {}
        self._compiling = threading.Lock()
        self._stopping = threading.Event()
        self._dropped: defaultdict[str, set[int]] = defaultdict(set)

    def submit(self, task: GroupTask) -> Generator[GroupEvent, None, None]:
        """See `Executor`."""
        shared = task.group.shared
        trainer = GroupTrainer(
            task,
            self._compile(shared),
            lambda lanes: lanes == 1 or self.is_bit_exact(shared, lanes),
            self._stopping.is_set,
            lambda: self._dropped[task.group_id],
        )
        try:
            yield from trainer.train()
        finally:
            self._dropped.pop(task.group_id, None)

    def drop(self, group_id: str, numbers: Collection[int]) -> None:
        """See `Executor`."""
        self._dropped[group_id].update(numbers)

    def is_bit_exact(self, config: TrainConfig, lanes: int) -> bool:
        """See `Executor`; each width is checked once per machine."""
        key = width_key(config, lanes, self._datasets[config.data.key])
        if key not in self._verified:
            self._verified[key] = self._check(config, lanes)
            remember_verified(key, self._verified[key])
        return self._verified[key]

    def _check(self, config: TrainConfig, lanes: int) -> bool:
        compiled = self._compile(config)
        return training.is_bit_exact(
            compiled.program, compiled.evaluate, compiled.data, config.batch_size, lanes
        )

    def workers(self) -> int:
        """One per core: a group uses one core."""
        return workers()

    def stop(self) -> None:
        """See `Executor`."""
        self._stopping.set()

    def close(self) -> None:
        """Free data and compiled programs."""
        self._compiled.clear()
        self._device_data.clear()

    def _images(self, config: TrainConfig) -> training.DeviceData:
        """The images of a configuration as tensors; programs that differ in other fields share them."""
        key = image_key(config)
        if key not in self._device_data:
            self._device_data[key] = training.make_device_data(
                self._datasets[config.data.key],
                config.data.validation_size,
                config.preprocessing,
                config.augment,
            )
        return self._device_data[key]

    def _compile(self, config: TrainConfig) -> CompiledData:
        key = shared_key(config, "program")
        with self._compiling:
            if key not in self._compiled:
                dataset = self._datasets[config.data.key]
                data = self._images(config)
                values = computed_values(config)
                model = model_of(values).make(
                    values, dataset.pixels, dataset.num_classes, dataset.image_shape
                )
                self._compiled[key] = CompiledData(
                    data,
                    training.compile_program(data, model, training.optimizer_of(config)),
                    training.compile_evaluation(data, model),
                    dataset,
                )
            return self._compiled[key]
