"""The compiled loop over steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swath.models import MOST_ROWS, ROW_MULTIPLE, Arrays, LanewiseModel, Tensor, Tensors, tf
from swath.planning import STEPS_IN_FLIGHT
from swath.training.draws import batch_indices, mirror_choices
from swath.training.evaluation import DeviceData, correct_counts
from swath.training.optimizers import DECAY, SCALE, Optimizer, Table

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
