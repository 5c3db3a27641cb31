"""The way from the name of a data set to its images."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from swath.datasets.cache import Entry, locked
from swath.datasets.cifar import ARCHIVE_NAME, Source, find_batches, read_batches
from swath.datasets.dataset import Dataset
from swath.datasets.digits import load_digits
from swath.datasets.registry import DATASETS, DatasetSpec
from swath.errors import DataError
from swath.system import cache_folder

ARCHIVE_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


ARCHIVE_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_dataset(name: str, directory: str | None = None) -> Dataset:
    """Load a data set, from the cache where it is there.

    Args:
      name: a name in the catalogue.
      directory: where CIFAR-10 is to be taken from (`data.dir`); if not given, $SWATH_DATA_DIR; if that is
        not set either, the official archive, downloaded once. Where a directory is given, nothing is
        downloaded.

    Returns:
      The data set, with the digest that was recorded when it was first read: see `Dataset.is_intact`.

    Raises:
      DataError: unknown name, no data in the directory, damaged files, or no download.
    """
    spec = _spec(name)
    return load_digits(spec) if name == "digits" else _load_cifar10(spec, directory, rebuild=False)


def rebuild_dataset(name: str, directory: str | None = None) -> Dataset:
    """Load a data set from its source, and replace its cache entry: what to do if `is_intact` is false.

    Raises:
      DataError: as `load_dataset`.
    """
    spec = _spec(name)
    return load_digits(spec) if name == "digits" else _load_cifar10(spec, directory, rebuild=True)


def load_intact(name: str, directory: str | None = None) -> Dataset:
    """Load a data set whose images are those that its digest was taken of.

    Raises:
      DataError: as `load_dataset`.
    """
    dataset = load_dataset(name, directory)
    return dataset if dataset.is_intact() else rebuild_dataset(name, directory)


def check_available(name: str, directory: str | None = None) -> None:
    """Check, without reading an image and without a network, that a directory that was given has the data.

    Raises:
      DataError: unknown name, or no complete set of files where data.dir or $SWATH_DATA_DIR says.
    """
    if _spec(name).name != "digits":
        _given_source(directory)


def _spec(name: str) -> DatasetSpec:
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join(sorted(DATASETS))}")
    return DATASETS[name]


def _given_source(directory: str | None) -> Source | None:
    """The source that the user named, or None if nothing was named."""
    for origin, given in (("data.dir", directory), ("SWATH_DATA_DIR", os.environ.get("SWATH_DATA_DIR"))):
        if given:
            try:
                place = Path(given).expanduser()
            except RuntimeError as error:  # the home folder of an unknown user
                raise DataError(f"cannot find the folder {given}, given as {origin}: {error}") from error
            return find_batches(place, origin)
    return None


def _load_cifar10(
    spec: DatasetSpec,
    directory: str | None,
    *,
    rebuild: bool,
    url: str = ARCHIVE_URL,
    sha256: str = ARCHIVE_SHA256,
) -> Dataset:
    folder = cache_folder()
    given = _given_source(directory)
    official = Source(origin=url, place=folder / ARCHIVE_NAME, key=sha256[:16], identity=sha256)
    entry = Entry(folder, spec, given or official)
    cached = None if rebuild else entry.read()
    if cached is not None:
        return cached
    with locked(folder) as is_writable:
        cached = None if rebuild else entry.read()  # another process may have built it while this one waited
        if cached is not None:
            return cached
        if given is not None:
            dataset = read_batches(spec, given)
        elif is_writable:
            dataset = read_batches(spec, _downloaded(official))
        else:
            with tempfile.TemporaryDirectory() as scratch:
                dataset = read_batches(
                    spec, _downloaded(replace(official, place=Path(scratch) / ARCHIVE_NAME))
                )
        if is_writable and entry.write(dataset):
            return entry.read() or dataset
        return dataset


def _downloaded(official: Source) -> Source:
    """The official archive, downloaded if it is not there already."""
    from swath.datasets.download import fetch  # its imports take longer than loading from the cache

    fetch(official.origin, official.identity, official.place)
    return official
