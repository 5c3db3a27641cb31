"""CIFAR-10, and the specification of data sets of pickled batches."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from swath.datasets.batch_files import BatchLayout, Source, find_source
from swath.datasets.dataset import DatasetSpec
from swath.errors import DataError
from swath.system import cache_folder

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset


@dataclass(frozen=True)
class BatchedSpec(DatasetSpec):
    """A data set of pickled batches, read from a folder or from its official archive, and cached.

    Attributes:
      layout: names and sizes of the official files.
    """

    layout: BatchLayout

    def check_available(self, directory: str | None = None) -> None:
        """Check that the folder named by the user, if any, holds all batch files."""
        self._given_source(directory)

    def load(self, directory: str | None = None, *, rebuild: bool = False) -> Dataset:
        """Load the data set; see `load_dataset` for the places where it is looked for."""
        from swath.datasets.cache import Entry, locked

        folder = cache_folder()
        given = self._given_source(directory)
        official = Source(
            origin=self.layout.url,
            place=folder / self.layout.archive,
            key=self.layout.sha256[:16],
            identity=self.layout.sha256,
        )
        entry = Entry(folder, self, given or official)
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
                dataset = self._downloaded(official)
            else:
                with tempfile.TemporaryDirectory() as scratch:
                    dataset = self._downloaded(replace(official, place=Path(scratch) / self.layout.archive))
            if is_writable and entry.write(dataset):
                return entry.read() or dataset
            return dataset

    def read(self, source: Source) -> Dataset:
        """Read and check every batch file of a source.

        Raises:
          DataError: a file does not match the layout.
        """
        from swath.datasets.pickled_batches import read_dataset

        return read_dataset(self, self.layout, source)

    def _downloaded(self, official: Source) -> Dataset:
        """Read the official archive, downloaded unless it is there already."""
        from swath.datasets.download import fetch  # its imports take longer than loading from the cache

        fetch(official.origin, official.identity, official.place)
        return self.read(official)

    def _given_source(self, directory: str | None) -> Source | None:
        """The source named by the user, or None if `data.dir` and $SWATH_DATA_DIR are both unset."""
        for origin, given in (("data.dir", directory), ("SWATH_DATA_DIR", os.environ.get("SWATH_DATA_DIR"))):
            if given:
                try:
                    place = Path(given).expanduser()
                except RuntimeError as error:  # the home folder of an unknown user
                    raise DataError(f"cannot find the folder {given}, given as {origin}: {error}") from error
                return find_source(self.layout, place, origin)
        return None


CIFAR10 = BatchedSpec(
    name="cifar10",
    image_shape=(3, 32, 32),
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train_images=50_000,
    test_images=10_000,
    layout=BatchLayout(
        title="CIFAR-10",
        archive="cifar-10-python.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        folder="cifar-10-batches-py",
        batches=(*((f"data_batch_{number}", 10_000) for number in range(1, 6)), ("test_batch", 10_000)),
        meta="batches.meta",
        names_key="label_names",
        labels_key="labels",
    ),
)
