"""CIFAR-10, and the specification of data sets of pickled batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.datasets.batch_files import BatchLayout, find_source
from swath.datasets.cached import OfficialSpec
from swath.datasets.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from swath.datasets.dataset import Dataset


@dataclass(frozen=True)
class BatchedSpec(OfficialSpec):
    """A data set of pickled batches, read from a folder or from its official archive, and cached.

    Attributes:
      layout: names and sizes of the official files.
    """

    layout: BatchLayout

    def find(self, directory: Path, origin: str) -> Source:
        """Find the batch files, or the archive with them, in a folder named by the user."""
        return find_source(self.layout, directory, origin)

    def read_files(self, source: Source) -> Dataset:
        """Read and check every batch file of a source."""
        from swath.datasets.pickled_batches import read_dataset

        return read_dataset(self, self.layout, source)

    def official(self, folder: Path) -> Source:
        """The official archive in a folder."""
        return Source(
            origin=self.layout.url,
            place=folder / self.layout.archive,
            key=self.layout.sha256[:16],
            identity=self.layout.sha256,
        )

    def fetch(self, official: Source) -> None:
        """Download the official archive, unless it is there already."""
        from swath.datasets.download import fetch  # its imports take longer than loading from the cache

        fetch(official.origin, official.identity, official.place)


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
