"""Fixtures: a small data set in the official layout, with random pixels."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.batches import SMALL, random_images, write_batches


@pytest.fixture(scope="session")
def images_and_labels() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random uint8 [120, 192] images and uint8 [120] labels; the last 20 are test images."""
    return random_images(SMALL)


@pytest.fixture
def batches_dir(tmp_path: Path, images_and_labels: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> Path:
    """A folder that contains cifar-10-batches-py/."""
    directory = tmp_path / "data"
    write_batches(SMALL, directory / SMALL.layout.folder, *images_and_labels)
    return directory


@pytest.fixture
def batches(batches_dir: Path) -> Path:
    """The folder with the batch files."""
    return batches_dir / SMALL.layout.folder


@pytest.fixture
def archive(tmp_path: Path, batches: Path) -> Path:
    """A cifar-10-python.tar.gz with the same batches."""
    path = tmp_path / "archive" / SMALL.layout.archive
    path.parent.mkdir()
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(batches, arcname=SMALL.layout.folder)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate cache folder for the test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SWATH_CACHE_DIR", str(folder))
    monkeypatch.delenv("SWATH_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder
