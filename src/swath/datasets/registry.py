"""The data sets by name: registered ones, those of one's own files, and those of packages and programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from swath.datasets.cifar import CIFAR10
from swath.datasets.cifar100 import CIFAR100
from swath.datasets.dataset import DataKey
from swath.datasets.declared import find_declared
from swath.datasets.digits import DIGITS
from swath.datasets.image_folder import find_images
from swath.datasets.mnist import FASHION_MNIST, MNIST
from swath.datasets.npz_file import find_npz
from swath.errors import DataError

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset, DatasetSpec
    from swath.datasets.declared import OwnDataset

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec for spec in (CIFAR10, CIFAR100, DIGITS, FASHION_MNIST, MNIST)
}
"""Specification of each registered data set, by the value of `data.name`."""

OWN: dict[str, Callable[[str | None, DataKey], DatasetSpec]] = {
    "images": lambda directory, key: find_images(directory, key.image_size),
    "npz": lambda directory, key: find_npz(directory),
}
"""(`data.dir`, key) -> specification, for files of one's own, and for data sets of packages and programs."""

BROKEN: dict[str, str] = {}
"""Data sets that packages declare and that cannot be used: the reason by name, in one line."""

_found: dict[tuple[DataKey, str | None, str | None], DatasetSpec | DataError] = {}


def spec_of(key: DataKey, directory: str | None = None) -> DatasetSpec:
    """The specification of a data set. One's own files are looked at once, until `forget_files`.

    Args:
      key: which data set.
      directory: value of `data.dir`; $SWATH_DATA_DIR if not given.

    Raises:
      DataError: unknown name, or one's own files are missing or are something else.
    """
    if key.name in DATASETS:
        return DATASETS[key.name]
    if key.name not in OWN:
        raise DataError(missing_dataset(key.name))
    asked = (key, directory, os.environ.get("SWATH_DATA_DIR"))
    if asked not in _found:  # a sweep asks for each of its configurations
        try:
            _found[asked] = OWN[key.name](directory, key)
        except DataError as error:
            _found[asked] = error
    found = _found[asked]
    if isinstance(found, DataError):
        raise DataError(str(found))
    return found


def names() -> tuple[str, ...]:
    """The values of `data.name`."""
    return (*DATASETS, *OWN)


def add_dataset(own: OwnDataset, package: str, module: str = "") -> None:
    """Add a data set, or replace the one of this name.

    Args:
      own: its declaration.
      package: name and version of its package; empty if the program itself declares it.
      module: the module that the package names.
    """
    OWN[own.name] = lambda directory, key: find_declared(own, package, module, directory, key)
    _found.clear()


def remove_dataset(name: str) -> None:
    """Remove a data set that a package or a program has added."""
    OWN.pop(name, None)
    _found.clear()


def missing_dataset(name: str) -> str:
    """The line about a data set that is not there."""
    if name in BROKEN:
        return f"data set {name}: {BROKEN[name]}"
    return f"data set {name} is not installed; choose one of {', '.join(names())}, or install its package"


def forget_files() -> None:
    """Look at one's own files again: a new command begins."""
    _found.clear()


def load_dataset(key: DataKey | str, directory: str | None = None) -> Dataset:
    """Load a data set, from the cache if it has an entry there.

    Args:
      key: which data set; a name stands for a key without more.
      directory: place of the files of the data set (`data.dir`); $SWATH_DATA_DIR if not given. Without
        either, official files are downloaded once. With either, nothing is downloaded.

    Returns:
      The data set with the digest computed when it was first read; the arrays are not hashed again. See
      `Dataset.is_intact`.

    Raises:
      DataError: unknown name, missing or damaged files, or a failed download.
    """
    return spec_of(_key(key), directory).load(directory)


def rebuild_dataset(key: DataKey | str, directory: str | None = None) -> Dataset:
    """Load a data set from its original files and replace its cache entry; use it if `is_intact` is false.

    Raises:
      DataError: see `load_dataset`.
    """
    return spec_of(_key(key), directory).load(directory, rebuild=True)


def load_intact(key: DataKey | str, directory: str | None = None) -> Dataset:
    """Load a data set, verify its digest, and rebuild it if the cached arrays have changed.

    Raises:
      DataError: see `load_dataset`.
    """
    dataset = load_dataset(key, directory)
    return dataset if dataset.is_intact() else rebuild_dataset(key, directory)


def check_available(key: DataKey | str, directory: str | None = None) -> None:
    """Check that the folder named by the user holds the data set; reads no image and uses no network.

    Raises:
      DataError: unknown name, or files are missing in `data.dir` or $SWATH_DATA_DIR.
    """
    spec_of(_key(key), directory).check_available(directory)


def _key(key: DataKey | str) -> DataKey:
    return DataKey(key) if isinstance(key, str) else key
