"""Images that are mapped from a file are handed to TensorFlow without a copy, others are copied."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from swath.training.evaluation import ALIGNMENT, _tensor


@pytest.fixture
def mapped(tmp_path: Path) -> NDArray[np.uint8]:
    (tmp_path / "images").write_bytes(bytes(range(200)) * 64)
    return np.asarray(np.memmap(tmp_path / "images", np.uint8, "c"))


def images_of(mapped: NDArray[np.uint8], offset: int) -> NDArray[np.uint8]:
    found = mapped[offset : offset + 6400].reshape(100, 64)
    found.flags.writeable = False
    return found


@pytest.mark.parametrize(("offset", "is_shared"), [(0, True), (ALIGNMENT, True), (1, False), (32, False)])
def test_memory_is_shared_if_it_is_aligned(mapped: NDArray[np.uint8], offset: int, is_shared: bool) -> None:
    images = images_of(mapped, offset)
    tensor = _tensor(images)
    np.testing.assert_array_equal(tensor.numpy(), images)
    mapped[offset] = 255
    assert (tensor.numpy()[0, 0] == 255) == is_shared
    assert not images.flags.writeable


def test_arrays_that_may_change_are_copied(mapped: NDArray[np.uint8]) -> None:
    images = mapped[:6400].reshape(100, 64)
    tensor = _tensor(images)
    images[0, 0] = 255
    assert tensor.numpy()[0, 0] == 0


def test_memory_that_nobody_may_write_is_copied(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(bytes(6400))
    images = np.asarray(np.memmap(tmp_path / "images", np.uint8, "r")).reshape(100, 64)
    tensor = _tensor(images)
    (tmp_path / "images").write_bytes(b"\xff" * 6400)  # the same file, so the mapping shows it
    assert images[0, 0] == 255
    assert tensor.numpy()[0, 0] == 0


def test_tensor_outlives_the_array(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(bytes(range(200)) * 32)
    mapped = np.memmap(tmp_path / "images", np.uint8, "c")
    lives = weakref.ref(mapped)
    images = images_of(mapped, 0)
    expected, tensor = images.copy(), _tensor(images)
    del images, mapped
    gc.collect()
    assert lives() is not None
    np.testing.assert_array_equal(tensor.numpy(), expected)
    del tensor
    gc.collect()
    assert lives() is None
