"""Training without tracking, for tests of the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from support.small import run_config, small_dataset
from swath.config import TrainConfig, computed_values, shared_key
from swath.models import MODELS, LanewiseModel, model_of
from swath.planning import plan_groups, plan_segments
from swath.training import (
    PARAMETERS,
    DeviceData,
    Evaluate,
    LaneTraining,
    Program,
    SegmentResult,
    compile_evaluation,
    compile_program,
    is_bit_exact,
    make_device_data,
    optimizer_of,
)


@dataclass(frozen=True)
class TrainedLane:
    """All results of one lane; `arrays` is its train state."""

    arrays: dict[str, NDArray[np.float32]]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]
    test_accuracy: float
    test_loss: float

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights of softmax regression."""
        return self.arrays["weights"]

    @property
    def biases(self) -> NDArray[np.float32]:
        """Biases of softmax regression."""
        return self.arrays["biases"]

    def to_bytes(self) -> bytes:
        """All results as bytes, to compare them bit by bit."""
        numbers = np.array([self.test_accuracy, self.test_loss])
        arrays = (*self.arrays.values(), self.accuracies, self.losses, self.predictions, numbers)
        return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@cache
def device_data(
    preprocessing: str = "mean_image", train_images: int = 300, augment: str = "none"
) -> DeviceData:
    """The small data set, ready for training."""
    return make_device_data(small_dataset(train_images), 0, preprocessing, augment)


def softmax_of(data: DeviceData) -> LanewiseModel:
    """Softmax regression for the images of a data set with 10 classes."""
    return MODELS["softmax_regression"].make({}, len(data.statistics.shift), 10)


def program_of(config: TrainConfig) -> tuple[Program, Evaluate]:
    """The compiled program and evaluation of a configuration, on the small data set."""
    return _compiled(config, shared_key(config, "program"))


_COMPILED: dict[object, tuple[Program, Evaluate]] = {}


def _compiled(config: TrainConfig, key: object) -> tuple[Program, Evaluate]:
    if key not in _COMPILED:
        data, values = _data_of(config), computed_values(config)
        model = model_of(values).make(values, len(data.statistics.shift), 10, (3, 32, 32))
        program = compile_program(data, model, optimizer_of(config))
        _COMPILED[key] = program, compile_evaluation(data, model)
    return _COMPILED[key]


def _data_of(config: TrainConfig) -> DeviceData:
    return device_data(config.preprocessing, augment=config.augment)


@cache
def is_width_bit_exact(batch_size: int, lanes: int) -> bool:
    """Whether groups of this many lanes are bit-exact on this machine."""
    return is_lanes_bit_exact(run_config(batch_size=batch_size), lanes)


def is_lanes_bit_exact(config: TrainConfig, lanes: int) -> bool:
    """Whether the probe accepts this many lanes of a configuration."""
    return is_bit_exact(*program_of(config), _data_of(config), config.batch_size, lanes)


def train_lanes(
    configs: Sequence[TrainConfig], segment_steps: int = 250, repack: bool = False
) -> list[TrainedLane]:
    """Train configurations as lanes of one group on the small data set.

    Args:
      configs: configurations that lanes may have.
      segment_steps: maximum length of a segment.
      repack: remove lanes from the program when they have finished.
    """
    (group,) = plan_groups(configs, lambda config, wanted: wanted)
    shared = group.shared
    training = LaneTraining(group, program_of(shared)[0])
    parts: dict[int, list[SegmentResult]] = {lane: [] for lane in range(len(group.lanes))}
    results: dict[int, TrainedLane] = {}
    for span in plan_segments(group, segment_steps):
        segment = training.advance(span)
        for index in segment.lanes:
            parts[index].append(segment)
            for run in group.lanes[index].runs:
                if run.config.max_steps == span.end:
                    results[run.number] = _trained_lane(parts[index], index, shared)
        if repack and span.end < group.max_steps:
            training.keep([lane for lane in training.lanes if group.lanes[lane].max_steps > span.end])
    return [results[job] for job in range(len(configs))]


def _trained_lane(segments: Sequence[SegmentResult], lane: int, config: TrainConfig) -> TrainedLane:
    last = segments[-1]
    column = last.lanes.index(lane)
    program, evaluate = program_of(config)
    scores = evaluate(last.state[PARAMETERS], len(last.lanes), _data_of(config).test)
    return TrainedLane(
        program.unpack(last.state, column),
        np.concatenate([part.accuracies[:, part.lanes.index(lane)] for part in segments]),
        np.concatenate([part.losses[:, part.lanes.index(lane)] for part in segments]),
        scores.predictions[:, column],
        float(scores.accuracies[column]),
        float(scores.losses[column]),
    )


def train_alone(config: TrainConfig, segment_steps: int = 250) -> TrainedLane:
    """Train one configuration by itself on the small data set."""
    return train_lanes([config], segment_steps)[0]
