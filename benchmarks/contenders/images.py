"""Reads CIFAR-10 the usual way, for contenders that keep the images between runs."""

import pickle
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VALIDATION_IMAGES = 5_000


class Images(NamedTuple):
    """Images minus the mean training image, float32 [n, 3072], and labels, int64 [n], of three splits."""

    train: tuple[NDArray[np.float32], NDArray[np.int64]]
    validation: tuple[NDArray[np.float32], NDArray[np.int64]]
    test: tuple[NDArray[np.float32], NDArray[np.int64]]


@cache
def read_images(folder: str) -> Images:
    """Read the pickles in `folder` once per process; the last training images are held back."""
    parts = [_read(Path(folder) / f"data_batch_{number}") for number in range(1, 6)]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    test_images, test_labels = _read(Path(folder) / "test_batch")
    kept = len(images) - VALIDATION_IMAGES
    mean = images[:kept].mean(axis=0)
    images -= mean
    test_images -= mean
    return Images((images[:kept], labels[:kept]), (images[kept:], labels[kept:]), (test_images, test_labels))


def _read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    with path.open("rb") as file:
        batch = pickle.load(file, encoding="bytes")
    return batch[b"data"].astype(np.float32), np.array(batch[b"labels"])
