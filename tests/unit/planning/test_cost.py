"""Estimates follow the size of the images and the number of classes."""

from dataclasses import replace

import pytest
from support.small import run_config

from swath.config import KeptSteps, TrainConfig
from swath.datasets import DATASETS, DataKey
from swath.errors import SwathError
from swath.planning import check_memory, plan_groups, store_bytes, training_s
from swath.planning.cost import group_bytes

IMAGES = {DataKey(name): spec for name, spec in DATASETS.items()}


def on(name: str) -> TrainConfig:
    return run_config(data=replace(run_config().data, name=name))


@pytest.mark.parametrize(("smaller", "larger"), [("mnist", "cifar10"), ("cifar10", "cifar100")])
def test_more_weights_take_longer_and_more_space(smaller: str, larger: str) -> None:
    times = [training_s(plan_groups([on(name)])[0], IMAGES) for name in (smaller, larger)]
    sizes = [store_bytes(plan_groups([on(name)]), KeptSteps(), IMAGES) for name in (smaller, larger)]
    memory = [group_bytes(on(name), 8, DATASETS[name]) for name in (smaller, larger)]

    assert times[0] < times[1]
    assert sizes[0] < sizes[1]
    assert memory[0] < memory[1]


def test_images_that_do_not_fit_are_named() -> None:
    huge = replace(DATASETS["mnist"], train_images=10**12)
    configs = [on("cifar10"), on("mnist")]
    specs = {configs[0].data.key: DATASETS["cifar10"], configs[1].data.key: huge}

    with pytest.raises(SwathError, match=r"^not enough memory for cifar10 and mnist: about"):
        check_memory(specs, configs)


def test_tensors_of_images_are_counted_once_for_each_way_to_prepare_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("swath.planning.cost.available_bytes", lambda: 10**9 * 1.25)
    config = on("cifar10")
    specs = {config.data.key: DATASETS["cifar10"]}  # 184 MB
    check_memory(specs, [config, replace(config, learning_rate=1.0), replace(config, batch_size=7)])
    with pytest.raises(SwathError, match="not enough memory"):
        check_memory(
            specs, [config, replace(config, preprocessing="none"), replace(config, augment="mirror")]
        )
