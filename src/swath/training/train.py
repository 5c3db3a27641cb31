"""Training of one lane group, segment by segment."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.compute import tf
from swath.model import CLASSES, Parameters, initial_parameters
from swath.plan import LaneGroup, Span
from swath.training.program import Program


@dataclass(frozen=True)
class Segment:
    """Some steps of a lane group, and where they have led.

    Attributes:
      span: the steps.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      parameters: of all lanes, after the last of these steps.
      duration_s: wall time of these steps.
    """

    span: Span
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    parameters: Parameters
    duration_s: float


def train(
    group: LaneGroup,
    spans: Iterator[Span],
    program: Program,
    pixels: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Segment]:
    """Train all lanes of `group` from zero weights through `spans`.

    Args:
      group: who is trained.
      spans: as `plan_spans` gives them; how the steps are cut does not change a bit.
      program: compiled for the group's batch size and number of lanes.
      pixels: values in an image.
      clock: seconds, from any start.

    Yields:
      One segment per span, as soon as it is done.
    """
    batch_size = group.shared.batch_size
    learning_rates = tf.constant([lane.config.learning_rate for lane in group.lanes], tf.float32)
    seed = tf.constant(group.shared.seed, tf.int64)
    parameters = initial_parameters(len(group.lanes), pixels)
    for span in spans:
        started = clock()
        parameters, metrics = program(
            parameters, learning_rates, seed, tf.constant(span.first), tf.constant(span.end - span.first)
        )
        correct, losses = metrics.correct.numpy(), metrics.losses.numpy()
        yield Segment(span, correct / batch_size, losses.astype(np.float64), parameters, clock() - started)


def lane_parameters(parameters: Parameters, lane: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One lane's weights, float32 [3072, 10], and biases, float32 [10]."""
    columns = slice(CLASSES * lane, CLASSES * (lane + 1))
    return parameters.weights[:, columns].numpy(), parameters.biases[columns].numpy()
