"""Data sets that are read from files once, and then loaded from the cache."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swath.datasets.dataset import DatasetSpec
from swath.datasets.source import ORIGINS, Source, given_path
from swath.system import cache_folder

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset


@dataclass(frozen=True)
class CachedSpec(DatasetSpec):
    """A data set that is read from files, and cached."""

    @abstractmethod
    def source(self, directory: str | None, folder: Path) -> Source:
        """Where the files are; looks at names, sizes and times only.

        Args:
          directory: value of `data.dir`.
          folder: folder for files that are downloaded.

        Raises:
          DataError: not all files are in the folder named by the user.
        """

    @abstractmethod
    def read(self, source: Source) -> Dataset:
        """Read and check every file of a source, after a download if it is to be downloaded.

        Raises:
          DataError: a file is damaged, is another one than expected, or cannot be downloaded.
        """

    def load(self, directory: str | None = None, *, rebuild: bool = False) -> Dataset:
        """Load the data set; see `load_dataset` for the places where it is looked for."""
        from swath.datasets.cache import Entry, locked

        folder = cache_folder()
        source = self.source(directory, folder)
        entry = Entry(folder, self, source)
        cached = None if rebuild else entry.read()
        if cached is not None:
            return cached
        with locked(folder) as is_writable:
            cached = None if rebuild else entry.read()  # another process may have written it meanwhile
            if cached is not None:
                return cached
            if not is_writable:
                with tempfile.TemporaryDirectory() as scratch:
                    return self.read(self.source(directory, Path(scratch)))
            dataset = self.read(source)
            return (entry.read() if entry.write(dataset) else None) or dataset


@dataclass(frozen=True)
class OfficialSpec(CachedSpec):
    """A data set whose official files are downloaded, unless the user has them in a folder."""

    @abstractmethod
    def find(self, directory: Path, origin: str) -> Source:
        """Find the files in a folder named by the user.

        Args:
          directory: the folder.
          origin: what named it: "data.dir" or "SWATH_DATA_DIR".

        Raises:
          DataError: not all files are there.
        """

    @abstractmethod
    def official(self, folder: Path) -> Source:
        """The official files in a folder, downloaded or not yet."""

    @abstractmethod
    def fetch(self, official: Source) -> None:
        """Download the official files, unless they are there already.

        Raises:
          DataError: the download failed or delivered other files.
        """

    @abstractmethod
    def read_files(self, source: Source) -> Dataset:
        """Read and check every file of a source.

        Raises:
          DataError: a file is damaged, or is another one than expected.
        """

    def check_available(self, directory: str | None = None) -> None:
        """Check that the folder named by the user, if any, holds all files."""
        if (given := given_path(directory)) is not None:
            self.find(*given)

    def source(self, directory: str | None, folder: Path) -> Source:
        """The files in the folder named by the user, else the official ones."""
        given = given_path(directory)
        return self.official(folder) if given is None else self.find(*given)

    def read(self, source: Source) -> Dataset:
        """Read and check every file, after a download if they are the official ones."""
        if source.origin not in ORIGINS:
            self.fetch(source)
        return self.read_files(source)
