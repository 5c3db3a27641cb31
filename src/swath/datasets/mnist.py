"""MNIST and Fashion-MNIST, and the specification of data sets of IDX files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swath.datasets.cached import OfficialSpec
from swath.datasets.idx_layout import IdxLayout
from swath.datasets.source import Source

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset


@dataclass(frozen=True)
class IdxSpec(OfficialSpec):
    """A data set of four IDX files, read from a folder or downloaded, and cached.

    Attributes:
      layout: names and addresses of the official files.
    """

    layout: IdxLayout

    def find(self, directory: Path, origin: str) -> Source:
        """Find the files, packed or unpacked, below a folder named by the user."""
        return self.layout.find(directory, origin)

    def read_files(self, source: Source) -> Dataset:
        """Read and check the four files of a source."""
        from swath.datasets.idx_files import read_dataset

        return read_dataset(self, self.layout, source)

    def official(self, folder: Path) -> Source:
        """The official files in a folder of their own."""
        digests = "".join(sha256 for _, sha256 in self.layout.sha256)
        identity = hashlib.sha256(digests.encode()).hexdigest()
        return Source(self.layout.url, folder / self.name, identity[:16], identity)

    def fetch(self, official: Source) -> None:
        """Download the official files, unless they are there already."""
        from swath.datasets.download import fetch  # its imports take longer than loading from the cache

        for name, sha256 in self.layout.sha256:
            fetch(f"{official.origin}{name}", sha256, official.place / name)


FASHION_MNIST = IdxSpec(
    name="fashion_mnist",
    image_shape=(1, 28, 28),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    train_images=60_000,
    test_images=10_000,
    layout=IdxLayout(
        title="Fashion-MNIST",
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        folders=("FashionMNIST/raw", "fashion_mnist"),
        # As TensorFlow Datasets states them; no download has confirmed them yet.
        sha256=(
            (
                "train-images-idx3-ubyte.gz",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
)

MNIST = IdxSpec(
    name="mnist",
    image_shape=(1, 28, 28),
    class_names=tuple("0123456789"),
    train_images=60_000,
    test_images=10_000,
    layout=IdxLayout(
        title="MNIST",
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",  # PyTorch's copy; the authors' page is down
        folders=("MNIST/raw", "mnist"),
        # As TensorFlow Datasets states them for the same files; no download has confirmed them yet.
        sha256=(
            (
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
)
