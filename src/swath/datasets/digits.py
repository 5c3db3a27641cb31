"""Handwritten digits of scikit-learn, enlarged to the shape of CIFAR-10 images."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
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

        table = _table()
        pixels = table[:, :-1].reshape(len(table), *SIDES)
        images, labels = enlarge(pixels, self.image_shape), table[:, -1].astype(np.uint8)
        is_test = np.arange(len(labels)) % self.test_every == 0
        arrays = (images[~is_test], labels[~is_test], images[is_test], labels[is_test])
        return self.dataset(*arrays, source="scikit-learn")


DIGITS = DigitsSpec("digits", (3, 32, 32), tuple("0123456789"), train_images=1_497, test_images=300)


SIDES = (8, 8)
"""Rows and columns of the original images."""

FILE = "datasets/data/digits.csv.gz"
"""Where scikit-learn has them."""


def _table() -> NDArray[np.float64]:
    """The digits as scikit-learn's file has them: float64 [n, 65], the pixels 0..16 and the label.

    The file is read without importing scikit-learn, which would take a second.
    """
    import numpy as np

    found = find_spec("sklearn")
    places = [] if found is None else found.submodule_search_locations or []
    for place in places:
        if (file := Path(place) / FILE).is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # another version may keep them elsewhere

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])


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
