"""Small data sets of pickled batches in the layout of the official files."""

import io
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from swath.datasets.cifar import CIFAR10, BatchedSpec

ROWS = 20

SMALL = replace(
    CIFAR10,
    name="small",
    image_shape=(3, 8, 8),
    train_images=5 * ROWS,
    test_images=ROWS,
    layout=replace(CIFAR10.layout, batches=tuple((name, ROWS) for name, _ in CIFAR10.layout.batches)),
)
"""CIFAR-10 with 20 images of 192 values in each batch."""


class Python2Pickler(pickle._Pickler):
    """Pickles byte strings and names as Python 2 did in the official files."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes

    def save_global(self, value: Any, name: str | None = None) -> None:
        module = value.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or value.__qualname__}\n".encode())
        self.memoize(value)

    dispatch[type] = dispatch[type(len)] = dispatch[type(pytest.fixture)] = save_global

    def save_text(self, value: str) -> None:
        self.save_bytes(value.encode())

    dispatch[str] = save_text


def pickle_as_python_2(value: object) -> bytes:
    """Pickle a value as Python 2 would."""
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def random_images(spec: BatchedSpec) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random images and labels for all batches, training images first."""
    generator = np.random.default_rng(0)
    rows = sum(count for _, count in spec.layout.batches)
    images = generator.integers(0, 256, size=(rows, spec.pixels), dtype=np.uint8)
    return images, generator.integers(0, spec.num_classes, size=rows, dtype=np.uint8)


def write_batches(
    spec: BatchedSpec, folder: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    """Write all files of a data set into a new folder."""
    folder.mkdir(parents=True)
    first = 0
    for name, rows in spec.layout.batches:
        batch = {
            b"batch_label": name.encode(),
            spec.layout.labels_key.encode(): labels[first : first + rows].tolist(),
            b"data": images[first : first + rows],
            b"filenames": [b"image_%d.png" % row for row in range(rows)],
        }
        (folder / name).write_bytes(pickle_as_python_2(batch))
        first += rows
    names = [name.encode() for name in spec.class_names]
    meta = {b"num_vis": spec.pixels, spec.layout.names_key.encode(): names}
    (folder / spec.layout.meta).write_bytes(pickle_as_python_2(meta))
