"""Training of one lane group, segment by segment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.compute import tf
from swath.model import CLASSES, Parameters, initial_parameters, padded
from swath.plan import LaneGroup, Span
from swath.training.program import Program


@dataclass(frozen=True)
class Segment:
    """Some steps of the lanes of a group, and where they have led.

    Attributes:
      span: the steps.
      lanes: which lanes of the group these are, in the order of the columns below.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      parameters: of these lanes, after the last of these steps.
      duration_s: wall time of these steps.
    """

    span: Span
    lanes: tuple[int, ...]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    parameters: Parameters
    duration_s: float


class GroupTraining:
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

    def advance(self, span: Span) -> Segment:
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
        return Segment(
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


def lane_parameters(segment: Segment, lane: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One lane's weights, float32 [3072, 10], and biases, float32 [10], after a segment."""
    first = CLASSES * segment.lanes.index(lane)
    columns = slice(first, first + CLASSES)
    return segment.parameters.weights[:, columns].numpy(), segment.parameters.biases[columns].numpy()
