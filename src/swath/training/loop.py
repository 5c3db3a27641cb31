"""The compiled loop over steps, and the training of one lane group segment by segment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swath.models import (
    CLASSES,
    Parameters,
    Tensor,
    apply,
    batch_shape,
    broadcast_per_lane,
    correct_counts,
    initial_parameters,
    normalize,
    padded,
    sgd_step,
    sum_over_batch,
    tf,
)
from swath.planning import LaneGroup, Segment
from swath.training.device_data import ResidentData

STEPS_IN_FLIGHT = 4
"""Steps whose batches may be drawn and converted ahead, by another core, while the matrix products of an
earlier step are computed. The order of the updates is fixed by the weights; the bits do not change."""


class StepMetrics(NamedTuple):
    """What each step of a segment says, before its update.

    Attributes:
      correct: int32 [steps, lanes], images of the batch that were classified correctly.
      losses: float32 [steps, lanes], mean cross-entropy of the batch.
    """

    correct: Tensor
    losses: Tensor


Program = Callable[..., tuple[Parameters, StepMetrics]]
"""(parameters, learning_rates [lanes], batch_size, seed, first_step, steps) -> (parameters, metrics)."""


def batch_indices(seed: Tensor, step: Tensor, batch_size: Tensor, images: Tensor) -> Tensor:
    """The images of one step: int32 [batch], drawn uniformly with replacement from 0..images-1.

    A counter-based generator (Philox; Salmon et al. 2011) keyed by (seed, step): a step's batch depends on
    nothing that happened before it.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([batch_size], key, 0, images, tf.int32, alg="philox")


def compile_program(data: ResidentData) -> Program:
    """A compiled loop over steps, for any batch size and any number of lanes.

    Args:
      data: what is trained on; held by the program.
    """

    def run_steps(
        parameters: Parameters,
        learning_rates: Tensor,
        batch_size: Tensor,
        seed: Tensor,
        first_step: Tensor,
        steps: Tensor,
    ) -> tuple[Parameters, StepMetrics]:
        shape = batch_shape(batch_size, tf.shape(learning_rates)[0])
        images = tf.cast(batch_size, tf.float32)
        rates_per_image = broadcast_per_lane(learning_rates, shape) / images

        def body(done: Tensor, parameters: Parameters, correct: Any, losses: Any) -> Any:
            chosen = batch_indices(seed, first_step + done, batch_size, len(data.train))
            inputs = normalize(tf.gather(data.train.images, chosen), data.shift, data.scale)
            labels = tf.gather(data.train.labels, chosen)
            result = apply(parameters, inputs, labels, shape)
            return (
                done + 1,
                sgd_step(parameters, inputs, result.errors, rates_per_image, shape),
                correct.write(done, correct_counts(result.predictions, labels)),
                losses.write(done, sum_over_batch(result.losses, shape.lane_padding, shape) / images),
            )

        start = (
            tf.constant(0),
            parameters,
            tf.TensorArray(tf.int32, steps, element_shape=[None]),
            tf.TensorArray(tf.float32, steps, element_shape=[None]),
        )
        _, parameters, correct, losses = tf.while_loop(
            lambda done, *_: done < steps, body, start, parallel_iterations=STEPS_IN_FLIGHT
        )
        return parameters, StepMetrics(correct.stack(), losses.stack())

    # No jit_compile: XLA orders sums by shape, so the number of lanes would change the bits.
    compiled: Program = tf.function(
        run_steps,
        autograph=False,
        input_signature=[
            Parameters(tf.TensorSpec([data.train.images.shape[1], None]), tf.TensorSpec([None])),
            tf.TensorSpec([None]),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ],
    )
    return compiled


@dataclass(frozen=True)
class SegmentResult:
    """Some steps of the lanes of a group, and where they have led.

    Attributes:
      span: the steps.
      lanes: which lanes of the group these are, in the order of the columns below.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      parameters: of these lanes, after the last of these steps.
      duration_s: wall time of these steps.
    """

    span: Segment
    lanes: tuple[int, ...]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    parameters: Parameters
    duration_s: float


class LaneTraining:
    """The lanes of a group on their way from where they start; lanes that have ended may leave.

    Attributes:
      lanes: the lanes that are still trained, as indices into the group's.
      steps_done: how many steps they have behind them.
    """

    def __init__(
        self,
        group: LaneGroup,
        program: Program,
        pixels: int,
        clock: Callable[[], float] = time.perf_counter,
        starts: "Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]" = (),
    ) -> None:
        """Prepare to train.

        Args:
          group: who is trained.
          program: compiled for the group's data.
          pixels: values in an image.
          clock: seconds, from any start.
          starts: of each lane, weights [3072, 10] and biases [10] before the group's first step; empty for
            zeros.
        """
        self._group = group
        self._program = program
        self._clock = clock
        self._parameters = initial_parameters(len(group.lanes), pixels)
        if starts:
            self._parameters = _side_by_side(starts)
        self.lanes = tuple(range(len(group.lanes)))
        self.steps_done = group.first_step

    def advance(self, span: Segment) -> SegmentResult:
        """Train the steps of a span; how steps are cut into spans does not change a bit."""
        shared = self._group.shared
        started = self._clock()
        self._parameters, metrics = self._program(
            self._parameters,
            tf.constant([self._group.lanes[lane].learning_rate for lane in self.lanes], tf.float32),
            tf.constant(shared.batch_size),
            tf.constant(shared.seed, tf.int64),
            tf.constant(span.first),
            tf.constant(span.end - span.first),
        )
        correct, losses = metrics.correct.numpy(), metrics.losses.numpy()
        self.steps_done = span.end
        return SegmentResult(
            span,
            self.lanes,
            correct / shared.batch_size,
            losses.astype(np.float64),
            self._parameters,
            self._clock() - started,
        )

    def keep(self, lanes: Sequence[int]) -> None:
        """Go on with some of the lanes only, moved together."""
        columns = [self.lanes.index(lane) * CLASSES + offset for lane in lanes for offset in range(CLASSES)]
        missing = padded(len(columns)) - len(columns)
        weights, biases = self._parameters
        self._parameters = Parameters(
            tf.pad(tf.gather(weights, columns, axis=1), [[0, 0], [0, missing]]),
            tf.pad(tf.gather(biases, columns), [[0, missing]]),
        )
        self.lanes = tuple(lanes)


def _side_by_side(starts: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Parameters:
    """Weights and biases of lanes as columns, padded as the model wants them."""
    missing = padded(CLASSES * len(starts)) - CLASSES * len(starts)
    weights = np.concatenate([weights for weights, _ in starts], axis=1)
    biases = np.concatenate([biases for _, biases in starts])
    return Parameters(
        tf.constant(np.pad(weights, [(0, 0), (0, missing)])), tf.constant(np.pad(biases, (0, missing)))
    )


def lane_parameters(segment: SegmentResult, lane: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One lane's weights, float32 [3072, 10], and biases, float32 [10], after a segment."""
    first = CLASSES * segment.lanes.index(lane)
    columns = slice(first, first + CLASSES)
    return segment.parameters.weights[:, columns].numpy(), segment.parameters.biases[columns].numpy()
