"""scikit-learn's handwritten digits, brought to the shape of CIFAR-10 images."""

import numpy as np

from swath.datasets.dataset import Bytes, Dataset, digest_of
from swath.datasets.registry import IMAGE_SHAPE, PIXELS, DatasetSpec

TEST_EVERY = 6
"""Every sixth image, beginning with the first, is a test image."""


def load_digits(spec: DatasetSpec) -> Dataset:
    """The 1,797 digits that come with scikit-learn: nothing is downloaded, nothing is cached.

    Returns:
      uint8 [1497, 3072] training images, uint8 [300, 3072] test images, each in scikit-learn's order.
    """
    from sklearn import datasets  # slow to import, and only this data set needs it

    digits = datasets.load_digits()
    images, labels = enlarge(digits.images), digits.target.astype(np.uint8)
    is_test = np.arange(len(labels)) % TEST_EVERY == 0
    arrays = (images[~is_test], labels[~is_test], images[is_test], labels[is_test])
    for array in arrays:
        array.flags.writeable = False
    return Dataset(
        spec.name, *arrays, class_names=spec.class_names, digest=digest_of(*arrays), source="scikit-learn"
    )


def enlarge(images: np.ndarray) -> Bytes:
    """Make each pixel a 4x4 block, the same in the three channels.

    Args:
      images: [n, 8, 8], values in 0..16.

    Returns:
      uint8 [n, 3072], values in 0..255.
    """
    channels, height, width = IMAGE_SHAPE
    grey = np.rint(images * 255 / 16).astype(np.uint8)  # [n, 8, 8]
    blocks = grey.repeat(height // grey.shape[1], axis=1).repeat(
        width // grey.shape[2], axis=2
    )  # [n, 32, 32]
    return np.repeat(blocks[:, np.newaxis], channels, axis=1).reshape(len(images), PIXELS)
