"""Small data sets and configurations for tests that train."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.config import DataConfig, SweepConfig, TrainConfig, default_sweep_config
from swath.datasets import Dataset

CLASSES = tuple("abcdefghij")


def small_dataset(train: int = 300, test: int = 60, seed: int = 0) -> Dataset:
    """Random images. Each class is brighter in its own rows, so that a model can learn."""
    generator = np.random.default_rng(seed)

    def part(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        images = generator.integers(0, 200, (count, 3072), dtype=np.uint8)
        for row, label in enumerate(labels.tolist()):
            images[row, 300 * label : 300 * label + 300] += 40
        return images, labels

    train_images, train_labels = part(train)
    test_images, test_labels = part(test)
    arrays = (train_images, train_labels, test_images, test_labels)
    return Dataset("cifar10", *arrays, (3, 32, 32), CLASSES, "digest", "made by a test")


def run_config(**changes: Any) -> TrainConfig:
    """A configuration with 10 images per batch and 10 steps; `changes` override its fields."""
    config = TrainConfig(
        batch_size=10,
        learning_rate=1e-6,
        max_steps=10,
        seed=0,
        evaluate_every_steps=0,
        preprocessing="mean_image",
        data=DataConfig("cifar10", 0),
    )
    return replace(config, **changes)


def sweep_config(**changes: Any) -> SweepConfig:
    """The settings of `conf/base.yaml` without postprocessing; `changes` override their fields."""
    defaults = default_sweep_config()
    return replace(defaults, **{"tracking": replace(defaults.tracking, postprocess="off"), **changes})
