"""The registered data sets, loaded by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.datasets.cifar import CIFAR10
from swath.datasets.cifar100 import CIFAR100
from swath.datasets.digits import DIGITS
from swath.datasets.mnist import FASHION_MNIST, MNIST
from swath.errors import DataError

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset, DatasetSpec

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec for spec in (CIFAR10, CIFAR100, DIGITS, FASHION_MNIST, MNIST)
}
"""Specification of each data set, by the value of `data.name`."""


def load_dataset(name: str, directory: str | None = None) -> Dataset:
    """Load a data set, from the cache if it has an entry there.

    Args:
      name: a key of `DATASETS`.
      directory: folder with the files of the data set (`data.dir`); $SWATH_DATA_DIR if not given. Without
        either, the official archive is downloaded once. With either, nothing is downloaded.

    Returns:
      The data set with the digest computed when it was first read; the arrays are not hashed again. See
      `Dataset.is_intact`.

    Raises:
      DataError: unknown name, missing or damaged files, or a failed download.
    """
    return _spec(name).load(directory)


def rebuild_dataset(name: str, directory: str | None = None) -> Dataset:
    """Load a data set from its original files and replace its cache entry; use it if `is_intact` is false.

    Raises:
      DataError: see `load_dataset`.
    """
    return _spec(name).load(directory, rebuild=True)


def load_intact(name: str, directory: str | None = None) -> Dataset:
    """Load a data set, verify its digest, and rebuild it if the cached arrays have changed.

    Raises:
      DataError: see `load_dataset`.
    """
    dataset = load_dataset(name, directory)
    return dataset if dataset.is_intact() else rebuild_dataset(name, directory)


def check_available(name: str, directory: str | None = None) -> None:
    """Check that the folder named by the user holds the data set; reads no image and uses no network.

    Raises:
      DataError: unknown name, or files are missing in `data.dir` or $SWATH_DATA_DIR.
    """
    _spec(name).check_available(directory)


def _spec(name: str) -> DatasetSpec:
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join(sorted(DATASETS))}")
    return DATASETS[name]
