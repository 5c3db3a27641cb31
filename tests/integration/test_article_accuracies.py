"""What the classifier reaches on real CIFAR-10."""

from pathlib import Path

import pytest
from support.small import run_config
from support.training import softmax_of

from swath.datasets import load_dataset
from swath.planning import Segment, plan_groups
from swath.training import (
    PARAMETERS,
    DeviceData,
    GradientDescent,
    LaneTraining,
    compile_evaluation,
    compile_program,
    make_device_data,
)


@pytest.fixture(scope="module")
def resident(cifar10_dir: Path) -> DeviceData:
    return make_device_data(load_dataset("cifar10", str(cifar10_dir)), 0, "mean_image")


def accuracy_of(resident: DeviceData, learning_rate: float) -> float:
    config = run_config(batch_size=100, learning_rate=learning_rate, max_steps=1000)
    (group,) = plan_groups([config])
    model = softmax_of(resident)
    program = compile_program(resident, model, GradientDescent())
    last = LaneTraining(group, program).advance(Segment(0, 1000))
    scores = compile_evaluation(resident, model)(last.state[PARAMETERS], 1, resident.test)
    return float(scores.accuracies[0])


def test_the_articles_point_reaches_a_quarter_of_the_test_images(resident: DeviceData) -> None:
    assert 0.22 <= accuracy_of(resident, 0.005) <= 0.32


def test_a_learning_rate_of_1e_6_reaches_more_than_0_38(resident: DeviceData) -> None:
    assert accuracy_of(resident, 1e-6) >= 0.38
