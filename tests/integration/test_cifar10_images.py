"""The real CIFAR-10 images, in the official layout."""

import time

import numpy as np
import pytest

from swath.datasets import load_dataset


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWATH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def dataset(cache, cifar10_dir):
    return load_dataset("cifar10", str(cifar10_dir))


def test_each_class_has_a_tenth_of_the_images(dataset):
    counts = [
        np.bincount(labels, minlength=10).tolist() for labels in (dataset.train_labels, dataset.test_labels)
    ]

    assert counts == [[5_000] * 10, [1_000] * 10]


def test_airplanes_have_a_bluer_background_than_frogs(dataset):
    images, labels = dataset.train_images.reshape(-1, 3, 32, 32), dataset.train_labels
    blueness = [
        images[labels == dataset.class_names.index(name), 2].mean()
        - images[labels == dataset.class_names.index(name), 0].mean()
        for name in ("airplane", "frog")
    ]

    assert blueness[0] > 0 > blueness[1]


def test_real_images_are_intact(dataset):
    assert dataset.is_intact()


def test_all_images_load_from_the_cache_in_a_tenth_of_a_second(dataset, cifar10_dir):
    times_s = []
    for _ in range(3):
        started = time.perf_counter()
        load_dataset("cifar10", str(cifar10_dir))
        times_s.append(time.perf_counter() - started)

    assert min(times_s) < 0.1
