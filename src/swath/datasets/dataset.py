"""The images and labels of one data set, as they travel through the program."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
"""An array of uint8: pixel values in 0..255, or labels."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images of a data set, split as the data set declares.

    Attributes:
      name: as in `data.name`.
      train_images: uint8 [train, 3072], read-only; a row lists all red values, then green, then blue.
      train_labels: uint8 [train], read-only; index into `class_names`.
      test_images: uint8 [test, 3072], read-only.
      test_labels: uint8 [test], read-only.
      class_names: the name of each label, in the order of the labels.
      digest: sha256 (hex) of the four arrays, as recorded when they were first read from their source.
      source: where the data came from: "data.dir", "SWATH_DATA_DIR", an address, or a library's name.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    class_names: tuple[str, ...]
    digest: str
    source: str

    def is_intact(self) -> bool:
        """Whether the arrays still have the recorded digest.

        Reads every image (184 MB for CIFAR-10), without holding the interpreter's lock while it hashes:
        call it in a thread, beside other work.
        """
        return (
            digest_of(self.train_images, self.train_labels, self.test_images, self.test_labels) == self.digest
        )


def digest_of(train_images: Bytes, train_labels: Bytes, test_images: Bytes, test_labels: Bytes) -> str:
    """Sha256 (hex) of the bytes of the four arrays, one after another."""
    digest = hashlib.sha256()
    for array in (train_images, train_labels, test_images, test_labels):
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()
