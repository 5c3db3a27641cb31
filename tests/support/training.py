"""Training without tracking, for tests that look at numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.small import small_dataset
from swath.config.schema import RunConfig
from swath.plan import Lane, LaneGroup, plan_spans
from swath.training.evaluation import compile_evaluation
from swath.training.program import compile_program
from swath.training.resident import ResidentData, make_resident
from swath.training.train import lane_parameters, train


@dataclass(frozen=True)
class Trained:
    """All numbers of one lane."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]
    test_accuracy: float
    test_loss: float

    def bits(self) -> bytes:
        """Every bit of it."""
        numbers = np.array([self.test_accuracy, self.test_loss])
        arrays = (self.weights, self.biases, self.accuracies, self.losses, self.predictions, numbers)
        return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@cache
def resident(preprocessing: str = "mean_image", train_images: int = 300) -> ResidentData:
    """The small data set, ready to train on."""
    return make_resident(small_dataset(train_images), 0, preprocessing)


@cache
def _program(preprocessing: str, batch_size: int, lanes: int) -> Any:
    return compile_program(resident(preprocessing), batch_size, lanes)


@cache
def _evaluation(preprocessing: str, lanes: int) -> Any:
    return compile_evaluation(resident(preprocessing), lanes)


def train_lanes(configs: Sequence[RunConfig], segment_steps: int = 250) -> list[Trained]:
    """Train configurations side by side on the small data set."""
    group = LaneGroup(tuple(Lane(job, config) for job, config in enumerate(configs)))
    shared = group.shared
    program = _program(shared.preprocessing, shared.batch_size, len(configs))
    segments = list(train(group, plan_spans(group, segment_steps), program, 3072))
    accuracies = np.concatenate([segment.accuracies for segment in segments])
    losses = np.concatenate([segment.losses for segment in segments])
    results = []
    for lane, config in enumerate(configs):
        (last,) = [segment for segment in segments if segment.span.end == config.max_steps]
        evaluate = _evaluation(shared.preprocessing, len(configs))
        scores = evaluate(last.parameters, resident(shared.preprocessing).test)
        results.append(
            Trained(
                *lane_parameters(last.parameters, lane),
                accuracies[: config.max_steps, lane],
                losses[: config.max_steps, lane],
                scores.predictions[:, lane],
                float(scores.accuracies[lane]),
                float(scores.losses[lane]),
            )
        )
    return results


def train_alone(config: RunConfig, segment_steps: int = 250) -> Trained:
    """Train one configuration on the small data set."""
    return train_lanes([config], segment_steps)[0]
