"""The compiled loop over steps, and the training of a lane group in segments."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig, effective_values
from swath.models import MOST_ROWS, ROW_MULTIPLE, Arrays, LanewiseModel, Tensor, Tensors, tf
from swath.planning import STEPS_IN_FLIGHT, LaneGroup, Segment
from swath.tracking import schema
from swath.training.evaluation import DeviceData, correct_counts
from swath.training.optimizers import DECAY, SCALE, Optimizer, Table, tables_of

PARAMETERS = ""
"""Key of the parameters in a packed state; the other keys are optimizer states."""


class StepMetrics(NamedTuple):
    """Metrics of each step of a segment, before its update.

    Attributes:
      correct: int32 [steps, lanes], number of correctly classified images of the batch.
      losses: float32 [steps, lanes], mean cross-entropy of the batch.
    """

    correct: Tensor
    losses: Tensor


@dataclass(frozen=True)
class Program:
    """A compiled loop over steps, for any batch size and any number of lanes.

    Attributes:
      model: the model.
      optimizer: the optimizer.
      run: (state, tables, batch_size, seed, first_step, steps) -> (state, `StepMetrics`).
        A state maps `PARAMETERS` and each optimizer state to packed arrays; tables are those of
        `optimizers.tables_of`.
    """

    model: LanewiseModel
    optimizer: Optimizer
    run: Callable[..., tuple[dict[str, Tensors], StepMetrics]]

    def initial_state(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The arrays of one lane before its first step; see `TrainState`."""
        parameters = self.model.init(seed)
        arrays = dict(parameters)
        for state in self.optimizer.state:
            arrays |= {f"{state}/{name}": np.zeros_like(array) for name, array in parameters.items()}
        return arrays

    def pack(self, lanes: Sequence[Arrays]) -> dict[str, Tensors]:
        """Pack the arrays of several lanes."""
        parts = [_parts(lane) for lane in lanes]
        return {part: self.model.stack([lane[part] for lane in parts]) for part in parts[0]}

    def unpack(self, state: Mapping[str, Tensors], lane: int) -> dict[str, NDArray[np.float32]]:
        """The arrays of one lane of a packed state."""
        return {
            f"{part}/{name}" if part else name: array
            for part, packed in state.items()
            for name, array in self.model.take(packed, lane).items()
        }


def _parts(arrays: Arrays) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Group arrays by key: the parameters, and each optimizer state."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, array in arrays.items():
        part, _, leaf = name.rpartition("/")
        found.setdefault(part, {})[leaf] = array
    return found


def _init_seed(config: TrainConfig) -> int:
    """Seed of the initial weights; models that start at zero have no such field."""
    found: int | None = effective_values(config)[schema.INIT_SEED]
    return config.seed if found is None else found


def batch_indices(seed: Tensor, step: Tensor, batch_size: Tensor, images: Tensor) -> Tensor:
    """Indices of the images of one step: int32 [batch], drawn uniformly with replacement from 0..images-1.

    The generator is counter-based (Philox; Salmon et al. 2011) with the key (seed, step), so the batch of a
    step does not depend on earlier steps.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([batch_size], key, 0, images, tf.int32, alg="philox")


def mirror_choices(seed: Tensor, step: Tensor, batch_size: Tensor) -> Tensor:
    """Whether each image of a step is mirrored: int32 [batch], 0 or 1 with the same probability.

    The key is (seed, -1 - step), which `batch_indices` does not use.
    """
    key = tf.stack([tf.cast(seed, tf.int64), -1 - tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([batch_size], key, 0, 2, tf.int32, alg="philox")


def compile_program(data: DeviceData, model: LanewiseModel, optimizer: Optimizer) -> Program:
    """Compile the loop over steps.

    Args:
      data: the training images; the program keeps a reference.
      model: the model.
      optimizer: the optimizer.
    """

    def run_steps(
        cut: bool,
        width: int | None,
        state: dict[str, Tensors],
        tables: dict[str, Tensor],
        batch_size: Tensor,
        seed: Tensor,
        first_step: Tensor,
        steps: Tensor,
    ) -> tuple[dict[str, Tensors], StepMetrics]:
        lanes = tf.shape(tables[SCALE])[1] if width is None else width
        pieces = -(-batch_size // MOST_ROWS)
        rows = -(-batch_size // (pieces * ROW_MULTIPLE)) * ROW_MULTIPLE
        shape = model.shape_batch(tf.minimum(batch_size, rows), rows, lanes)
        images = tf.cast(batch_size, tf.float32)
        per_image = {**tables, SCALE: tables[SCALE] / images}
        expanded = {name: model.per_lane(table, shape) for name, table in per_image.items()}

        def piece(parameters: Tensors, chosen: Tensor, scale: Tensors, shape: Any) -> Any:
            """Gradients, number of correct images and summed losses of some images of a batch."""
            inputs, labels = data.batch(data.train.images, data.train.labels, chosen)
            outputs, gradients = model.gradients(parameters, inputs, labels, scale, shape)
            count = tf.shape(outputs.predictions)[0]
            correct = correct_counts(outputs.predictions, labels[:count])
            return gradients, correct, model.sum_over_batch(outputs.losses, shape)

        def whole(parameters: Tensors, chosen: Tensor, scale: Tensors) -> Any:
            """The same of a batch that is cut into pieces, whose results are added in order."""

            def add(done: Tensor, *sums: Any) -> Any:
                first = done * rows
                last = model.shape_batch(tf.minimum(rows, batch_size - first), rows, lanes)
                found = piece(parameters, chosen[first : first + rows], scale, last)
                return done + 1, *tf.nest.map_structure(tf.add, sums, found)

            start = (tf.constant(1), *piece(parameters, chosen[:rows], scale, shape))
            return tf.while_loop(lambda done, *_: done < pieces, add, start, parallel_iterations=1)[1:]

        def body(done: Tensor, state: Any, correct: Any, losses: Any) -> Any:
            drawn = batch_indices(seed, first_step + done, batch_size, data.train_images)
            if data.is_mirrored:
                drawn += data.train_images * mirror_choices(seed, first_step + done, batch_size)
            chosen = tf.pad(drawn, [[0, pieces * rows - batch_size]])
            parameters = state[PARAMETERS]
            values = _rows(expanded, done)
            scale = values.pop(SCALE)
            found = whole(parameters, chosen, scale) if cut else piece(parameters, chosen, scale, shape)
            gradients, counts, summed = found
            if DECAY in values:
                gradients = _with_decay(gradients, parameters, values.pop(DECAY), model.penalized)
            updates, next_state = optimizer.update(
                gradients, {name: part for name, part in state.items() if name != PARAMETERS}, values
            )
            return (
                done + 1,
                {PARAMETERS: tf.nest.map_structure(tf.subtract, parameters, updates), **next_state},
                correct.write(done, counts),
                losses.write(done, summed / images),
            )

        start = (
            tf.constant(0),
            state,
            tf.TensorArray(tf.int32, steps, element_shape=[None]),
            tf.TensorArray(tf.float32, steps, element_shape=[None]),
        )
        _, state, correct, losses = tf.while_loop(
            lambda done, *_: done < steps, body, start, parallel_iterations=STEPS_IN_FLIGHT
        )
        return state, StepMetrics(correct.stack(), losses.stack())

    @cache
    def compiled(cut: bool, width: int | None, tables: frozenset[str]) -> Any:
        """The loop for batches that are cut into pieces or not, a width (None for any) and these tables."""
        arrays = model.signature(width or 1)
        signature = [
            dict.fromkeys((PARAMETERS, *optimizer.state), arrays),
            {name: tf.TensorSpec([None, width]) for name in tables},
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
        # No jit_compile: XLA orders sums by shape, so the width would change the rounding.
        return tf.function(partial(run_steps, cut, width), autograph=False, input_signature=signature)

    def run(
        state: Any, tables: Mapping[str, Table], batch_size: int, seed: int, first: int, steps: int
    ) -> Any:
        width = None if model.any_width else tables[SCALE].shape[1]
        program = compiled(batch_size > MOST_ROWS, width, frozenset(tables))
        numbers = (
            tf.constant(batch_size),
            tf.constant(seed, tf.int64),
            tf.constant(first),
            tf.constant(steps),
        )
        return program(state, {name: tf.constant(table) for name, table in tables.items()}, *numbers)

    return Program(model, optimizer, run)


def _rows(tables: Mapping[str, Tensors], step: Tensor) -> dict[str, Tensors]:
    """The rows of a step; a table that several arrays share is read once."""
    rows: dict[int, Tensor] = {}

    def row(table: Tensor) -> Tensor:
        if id(table) not in rows:
            rows[id(table)] = table[step]
        return rows[id(table)]

    return {name: tf.nest.map_structure(row, expanded) for name, expanded in tables.items()}


def _with_decay(gradients: Tensors, parameters: Tensors, decay: Tensors, penalized: Sequence[str]) -> Tensors:
    """Gradients with that of `l2` times half the square of the penalized arrays.

    Where `decay` is 0 the gradient keeps its bits, as long as the parameters are finite.
    """
    found = dict(gradients)
    for name in penalized:
        found[name] = tf.nest.map_structure(
            lambda gradient, array, factor: gradient + factor * array,
            gradients[name],
            parameters[name],
            decay[name],
        )
    return found


@dataclass(frozen=True)
class SegmentResult:
    """Results of a trained segment, and the state after it.

    Attributes:
      segment: the steps.
      lanes: indices of the trained lanes, in the order of the columns below.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      state: packed arrays of these lanes after the segment.
      duration_s: wall time in seconds.
    """

    segment: Segment
    lanes: tuple[int, ...]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    state: dict[str, Tensors]
    duration_s: float


class LaneTraining:
    """Trains the lanes of a group from any train state; finished lanes can be removed.

    Args:
      group: the lane group.
      program: the program, compiled for the data of the group.
      states: arrays of each lane before the first step of the group; None for the initial arrays.
      clock: returns seconds since an arbitrary point in time.

    Attributes:
      lanes: indices of the lanes that are still trained.
      steps_done: number of trained steps.
    """

    def __init__(
        self,
        group: LaneGroup,
        program: Program,
        states: Iterable[Arrays | None] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._group = group
        self._program = program
        self._clock = clock
        given = list(states) or [None] * len(group.lanes)
        self._state = program.pack(
            [
                arrays or program.initial_state(_init_seed(lane.config))
                for lane, arrays in zip(group.lanes, given, strict=True)
            ]
        )
        self.lanes = tuple(range(len(group.lanes)))
        self.steps_done = group.first_step

    def advance(self, segment: Segment) -> SegmentResult:
        """Train a segment. The division of steps into segments does not change the results."""
        shared = self._group.shared
        started = self._clock()
        steps = segment.end - segment.first
        configs = [self._group.lanes[lane].config for lane in self.lanes]
        tables = tables_of(self._program.optimizer, configs, segment.first, steps)
        self._state, metrics = self._program.run(
            self._state, tables, shared.batch_size, shared.seed, segment.first, steps
        )
        correct, losses = metrics.correct.numpy(), metrics.losses.numpy()
        self.steps_done = segment.end
        return SegmentResult(
            segment,
            self.lanes,
            correct / shared.batch_size,
            losses.astype(np.float64),
            self._state,
            self._clock() - started,
        )

    def keep(self, lanes: Sequence[int]) -> None:
        """Remove all lanes except the given ones."""
        kept = [self._program.unpack(self._state, self.lanes.index(lane)) for lane in lanes]
        self._state = self._program.pack(kept)
        self.lanes = tuple(lanes)
