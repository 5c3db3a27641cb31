"""Test accuracies on real CIFAR-10."""

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
def device_data(cifar10_dir: Path) -> DeviceData:
    return make_device_data(load_dataset("cifar10", str(cifar10_dir)), 0, "mean_image")


def accuracy_of(device_data: DeviceData, learning_rate: float) -> float:
    config = run_config(batch_size=100, learning_rate=learning_rate, max_steps=1000)
    (group,) = plan_groups([config])
    model = softmax_of(device_data)
    program = compile_program(device_data, model, GradientDescent())
    last = LaneTraining(group, program).advance(Segment(0, 1000))
    scores = compile_evaluation(device_data, model)(last.state[PARAMETERS], 1, device_data.test)
    return float(scores.accuracies[0])


def test_article_configuration_reaches_its_accuracy(device_data: DeviceData) -> None:
    assert 0.22 <= accuracy_of(device_data, 0.005) <= 0.32


def test_learning_rate_of_1e_6_reaches_at_least_0_38(device_data: DeviceData) -> None:
    assert accuracy_of(device_data, 1e-6) >= 0.38
