"""Data sets that are read from files once, and then loaded from the cache."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swath.datasets.dataset import DatasetSpec
from swath.datasets.source import Source, path_of
from swath.system import cache_folder

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset


@dataclass(frozen=True)
class CachedSpec(DatasetSpec):
    """A data set that is read from files of the user, or from official files, and cached."""

    @abstractmethod
    def find(self, directory: Path, origin: str) -> Source:
        """Find the files in a folder named by the user; looks at names, sizes and times only.

        Args:
          directory: the folder.
          origin: what named it: "data.dir" or "SWATH_DATA_DIR".

        Raises:
          DataError: not all files are there.
        """

    @abstractmethod
    def read(self, source: Source) -> Dataset:
        """Read and check every file of a source.

        Raises:
          DataError: a file is damaged, or is another one than expected.
        """

    @abstractmethod
    def official(self, folder: Path) -> Source:
        """The official files, downloaded into a folder or not yet there."""

    @abstractmethod
    def fetch(self, official: Source) -> None:
        """Download the official files, unless they are there already.

        Raises:
          DataError: the download failed or delivered other files.
        """

    def check_available(self, directory: str | None = None) -> None:
        """Check that the folder named by the user, if any, holds all files."""
        self.given_source(directory)

    def given_source(self, directory: str | None) -> Source | None:
        """The source named by the user, or None if `data.dir` and $SWATH_DATA_DIR are both unset."""
        for origin, given in (("data.dir", directory), ("SWATH_DATA_DIR", os.environ.get("SWATH_DATA_DIR"))):
            if given:
                return self.find(path_of(given, origin), origin)
        return None

    def load(self, directory: str | None = None, *, rebuild: bool = False) -> Dataset:
        """Load the data set; see `load_dataset` for the places where it is looked for."""
        from swath.datasets.cache import Entry, locked

        folder = cache_folder()
        given = self.given_source(directory)
        source = self.official(folder) if given is None else given
        entry = Entry(folder, self, source)
        cached = None if rebuild else entry.read()
        if cached is not None:
            return cached
        with locked(folder) as is_writable:
            cached = None if rebuild else entry.read()  # another process may have written it meanwhile
            if cached is not None:
                return cached
            if given is not None:
                dataset = self.read(given)
            elif is_writable:
                dataset = self._downloaded(source)
            else:
                with tempfile.TemporaryDirectory() as scratch:
                    dataset = self._downloaded(self.official(Path(scratch)))
            if is_writable and entry.write(dataset):
                return entry.read() or dataset
            return dataset

    def _downloaded(self, official: Source) -> Dataset:
        self.fetch(official)
        return self.read(official)
