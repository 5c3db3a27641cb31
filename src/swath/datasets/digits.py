"""Handwritten digits of scikit-learn, enlarged to the shape of CIFAR-10 images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.datasets.dataset import Dataset, DatasetSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from swath.datasets.dataset import Bytes


@dataclass(frozen=True)
class DigitsSpec(DatasetSpec):
    """The 1,797 digits that come with scikit-learn; they are neither downloaded nor cached.

    Attributes:
      test_every: every image whose index is a multiple of this number is a test image.
    """

    test_every: int = 6

    def check_available(self, directory: str | None = None) -> None:
        """Succeed: scikit-learn is installed with swath."""

    def load(self, directory: str | None = None, *, rebuild: bool = False) -> Dataset:
        """Load the digits, training and test images each in scikit-learn's order."""
        import numpy as np
        from sklearn.datasets import load_digits  # slow to import, and only this data set needs it

        digits = load_digits()
        images, labels = enlarge(digits.images, self.image_shape), digits.target.astype(np.uint8)
        is_test = np.arange(len(labels)) % self.test_every == 0
        arrays = (images[~is_test], labels[~is_test], images[is_test], labels[is_test])
        return self.dataset(*arrays, source="scikit-learn")


DIGITS = DigitsSpec("digits", (3, 32, 32), tuple("0123456789"), train_images=1_497, test_images=300)


def enlarge(images: NDArray[np.float64], image_shape: tuple[int, int, int]) -> Bytes:
    """Repeat each pixel to fill a larger image, with the same values in every channel.

    Args:
      images: [n, rows, columns], values in 0..16.
      image_shape: channels, rows, columns; the latter two are multiples of those of `images`.

    Returns:
      uint8 [n, pixels], values in 0..255.
    """
    import numpy as np

    channels, rows, columns = image_shape
    grey = np.rint(images * 255 / 16).astype(np.uint8)
    taller = grey.repeat(rows // grey.shape[1], axis=1)
    enlarged = taller.repeat(columns // grey.shape[2], axis=2)  # [n, rows, columns]
    return np.repeat(enlarged[:, np.newaxis], channels, axis=1).reshape(len(images), -1)
