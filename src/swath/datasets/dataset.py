"""A data set: its specification, its loaded arrays, and the statistics by which pixels are normalized."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the registry is read before any array exists, so NumPy is not loaded for it
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]  # pixel values in 0..255, or labels


class DataKey(NamedTuple):
    """What a configuration says of its images; those of equal keys share them within a command.

    Attributes:
      name: value of `data.name`.
      image_size: value of `data.image_size`; None for data sets whose images have a size of their own.
      own: values of the fields that a package has added to `data`, by name.
    """

    name: str
    image_size: int | None = None
    own: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class DatasetSpec(ABC):
    """What is known of a data set before it is loaded.

    Attributes:
      name: value of `data.name`.
      image_shape: channels, rows, columns of every image.
      class_names: name of each label, in the order of the labels; at most 256.
      train_images: number of training images, validation images included.
      test_images: number of test images.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    train_images: int
    test_images: int

    @property
    def pixels(self) -> int:
        """Number of values in one flattened image."""
        return math.prod(self.image_shape)

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        return len(self.class_names)

    @property
    def heading(self) -> str:
        """What the digest covers beside the arrays; empty where the name stands for shape and classes."""
        return ""

    def dataset(
        self, train_images: Bytes, train_labels: Bytes, test_images: Bytes, test_labels: Bytes, source: str
    ) -> Dataset:
        """The data set of these arrays, which become read-only, with their digest; see `Dataset`."""
        arrays = (train_images, train_labels, test_images, test_labels)
        for array in arrays:
            array.flags.writeable = False
        return Dataset(
            self.name,
            *arrays,
            image_shape=self.image_shape,
            class_names=self.class_names,
            digest=digest_of(*arrays, heading=self.heading),
            source=source,
            heading=self.heading,
        )

    @abstractmethod
    def load(self, directory: str | None = None, *, rebuild: bool = False) -> Dataset:
        """Load the data set.

        Args:
          directory: value of `data.dir`; ignored by data sets that do not read files from a folder.
          rebuild: read the original files again and replace the cache entry, if the data set is cached.

        Raises:
          DataError: the files are missing, damaged, or cannot be downloaded.
        """

    @abstractmethod
    def check_available(self, directory: str | None = None) -> None:
        """Check that the files to load are in the folder named by the user, without reading an image.

        Succeeds if the data set does not read files from a folder, or if no folder is named.

        Args:
          directory: value of `data.dir`; without it, $SWATH_DATA_DIR names the folder.

        Raises:
          DataError: the folder does not exist, or files are missing.
        """


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images and labels of a data set, split into training and test images.

    Attributes:
      name: value of `data.name`.
      train_images: uint8 [train, pixels], read-only; pixels in the order channel, row, column.
      train_labels: uint8 [train], read-only; index into `class_names`.
      test_images: uint8 [test, pixels], read-only.
      test_labels: uint8 [test], read-only.
      image_shape: channels, rows, columns of every image.
      class_names: name of each label, in the order of the labels.
      digest: SHA-256 (hex) of the heading and the four arrays, computed when they were first read from their
        source.
      source: where the data came from: "data.dir", "SWATH_DATA_DIR", a URL, or the name of a library.
      heading: what the name of the data set does not tell of its images; see `DatasetSpec.heading`.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    digest: str
    source: str
    heading: str = ""

    @property
    def pixels(self) -> int:
        """Number of values in one flattened image."""
        return math.prod(self.image_shape)

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        return len(self.class_names)

    def is_intact(self) -> bool:
        """Whether the arrays still have the recorded digest.

        Reads every image (184 MB for CIFAR-10) and releases the interpreter's lock while hashing, so it can
        run in a thread beside other work.
        """
        arrays = (self.train_images, self.train_labels, self.test_images, self.test_labels)
        return digest_of(*arrays, heading=self.heading) == self.digest


def digest_of(
    train_images: Bytes, train_labels: Bytes, test_images: Bytes, test_labels: Bytes, heading: str = ""
) -> str:
    """SHA-256 (hex) of a heading and the bytes of the four arrays, one after another."""
    digest = hashlib.sha256(heading.encode())
    for array in (train_images, train_labels, test_images, test_labels):
        digest.update(array.ravel().data)  # C order
    return digest.hexdigest()


_BLOCK = 256
"""Images summed at a time. 256 squares of at most 255 add up to less than 2**24, and float32 represents every
integer up to 2**24, so the sum of a block is exact in any order of additions."""


SCALE_DIVISOR = 64
"""What `preprocessing=scale` divides by: the power of two nearest to the deviation of natural images, some 62
in CIFAR-10, so that learning rates are those of the literature and the division is exact."""


@dataclass(frozen=True)
class PixelStatistics:
    """Normalization of each pixel position: inputs are `(pixels - shift) * scale`.

    Attributes:
      shift: float32 [pixels], in 0..255.
      scale: float32 [pixels], or None for no scaling.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32] | None


def pixel_statistics(images: NDArray[np.uint8], preprocessing: str) -> PixelStatistics:
    """Compute the statistics of training images; sums are exact integers, so the result is reproducible.

    Args:
      images: uint8 [n, pixels], n below 2**31.
      preprocessing: `mean_image` subtracts the mean image, `standardize` also divides by the standard
        deviation of each pixel position (1 if it is 0), `scale` divides by `SCALE_DIVISOR` instead, `none`
        leaves pixels unchanged.

    Raises:
      ValueError: `preprocessing` is none of these.
    """
    import numpy as np

    count, pixels = images.shape
    if preprocessing == "none":
        return PixelStatistics(np.zeros(pixels, np.float32), None)
    if preprocessing in ("mean_image", "scale"):
        total, _ = _exact_sums(images, squares=False)
        scale = np.full(pixels, 1 / SCALE_DIVISOR, np.float32) if preprocessing == "scale" else None
        return PixelStatistics((total / count).astype(np.float32), scale)
    if preprocessing == "standardize":
        total, total_of_squares = _exact_sums(images, squares=True)
        variance = (count * total_of_squares - total * total) / count**2
        deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
        return PixelStatistics((total / count).astype(np.float32), (1.0 / deviation).astype(np.float32))
    raise ValueError(f"unknown preprocessing {preprocessing!r}")


def _exact_sums(images: NDArray[np.uint8], squares: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sums of the pixels and, if `squares`, of their squares (else zeros): int64 [pixels] each."""
    import numpy as np

    total = np.zeros(images.shape[1], np.int64)
    total_of_squares = np.zeros(images.shape[1], np.int64)
    ones = np.ones(_BLOCK, np.float32)
    for first in range(0, len(images), _BLOCK):
        block = images[first : first + _BLOCK].astype(np.float32)
        total += (ones[: len(block)] @ block).astype(np.int64)
        if squares:
            total_of_squares += (ones[: len(block)] @ np.square(block)).astype(np.int64)
    return total, total_of_squares
