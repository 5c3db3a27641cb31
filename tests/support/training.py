"""Training without tracking, for tests of the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from support.small import small_dataset
from swath.config import TrainConfig
from swath.models import MODELS, Model
from swath.planning import plan_groups, plan_segments
from swath.training import (
    PARAMETERS,
    DeviceData,
    Evaluate,
    GradientDescent,
    LaneTraining,
    Program,
    SegmentResult,
    compile_evaluation,
    compile_program,
    is_bit_exact,
    make_device_data,
)


@dataclass(frozen=True)
class TrainedLane:
    """All results of one lane."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]
    test_accuracy: float
    test_loss: float

    def to_bytes(self) -> bytes:
        """All results as bytes, to compare them bit by bit."""
        numbers = np.array([self.test_accuracy, self.test_loss])
        arrays = (self.weights, self.biases, self.accuracies, self.losses, self.predictions, numbers)
        return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@cache
def device_data(preprocessing: str = "mean_image", train_images: int = 300) -> DeviceData:
    """The small data set, ready for training."""
    return make_device_data(small_dataset(train_images), 0, preprocessing)


def softmax_of(data: DeviceData) -> Model:
    """Softmax regression for the images of a data set with 10 classes."""
    return MODELS["softmax_regression"].make({}, len(data.statistics.shift), 10)


@cache
def _program(preprocessing: str) -> Program:
    data = device_data(preprocessing)
    return compile_program(data, softmax_of(data), GradientDescent())


@cache
def _evaluation(preprocessing: str) -> Evaluate:
    data = device_data(preprocessing)
    return compile_evaluation(data, softmax_of(data))


@cache
def is_width_bit_exact(batch_size: int, lanes: int) -> bool:
    """Whether groups of this many lanes are bit-exact on this machine."""
    return is_bit_exact(_program("mean_image"), _evaluation("mean_image"), device_data(), batch_size, lanes)


def train_lanes(
    configs: Sequence[TrainConfig], segment_steps: int = 250, repack: bool = False
) -> list[TrainedLane]:
    """Train configurations as lanes of one group on the small data set.

    Args:
      configs: configurations that differ only in learning_rate and max_steps.
      segment_steps: maximum length of a segment.
      repack: remove lanes from the program when they have finished.
    """
    (group,) = plan_groups(configs, lambda config, wanted: wanted)
    shared = group.shared
    training = LaneTraining(group, _program(shared.preprocessing))
    parts: dict[int, list[SegmentResult]] = {lane: [] for lane in range(len(group.lanes))}
    results: dict[int, TrainedLane] = {}
    for span in plan_segments(group, segment_steps):
        segment = training.advance(span)
        for index in segment.lanes:
            parts[index].append(segment)
            for run in group.lanes[index].runs:
                if run.config.max_steps == span.end:
                    results[run.number] = _trained_lane(parts[index], index, shared.preprocessing)
        if repack and span.end < group.max_steps:
            training.keep([lane for lane in training.lanes if group.lanes[lane].max_steps > span.end])
    return [results[job] for job in range(len(configs))]


def _trained_lane(segments: Sequence[SegmentResult], lane: int, preprocessing: str) -> TrainedLane:
    last = segments[-1]
    column = last.lanes.index(lane)
    arrays = _program(preprocessing).unpack(last.state, column)
    scores = _evaluation(preprocessing)(
        last.state[PARAMETERS], len(last.lanes), device_data(preprocessing).test
    )
    return TrainedLane(
        arrays["weights"],
        arrays["biases"],
        np.concatenate([part.accuracies[:, part.lanes.index(lane)] for part in segments]),
        np.concatenate([part.losses[:, part.lanes.index(lane)] for part in segments]),
        scores.predictions[:, column],
        float(scores.accuracies[column]),
        float(scores.losses[column]),
    )


def train_alone(config: TrainConfig, segment_steps: int = 250) -> TrainedLane:
    """Train one configuration by itself on the small data set."""
    return train_lanes([config], segment_steps)[0]
