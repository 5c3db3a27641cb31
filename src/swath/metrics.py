"""Counts over predictions, whatever model made them."""

import numpy as np
from numpy.typing import NDArray


def confusion_counts(
    labels: NDArray[np.uint8], predictions: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """How many images of class i (row) were taken for class j (column): int64 [classes, classes]."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts
