"""Statistics of the training images, by which pixels are normalized."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256
"""Images summed at a time. 256 squares of at most 255 add up to less than 2**24, and float32 represents every
integer up to 2**24, so the sum of a block is exact in any order of additions."""


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
        deviation of each pixel position (1 if it is 0), `none` leaves pixels unchanged.

    Raises:
      ValueError: `preprocessing` is none of these.
    """
    count, pixels = images.shape
    if preprocessing == "none":
        return PixelStatistics(np.zeros(pixels, np.float32), None)
    if preprocessing == "mean_image":
        total, _ = _exact_sums(images, squares=False)
        return PixelStatistics((total / count).astype(np.float32), None)
    if preprocessing == "standardize":
        total, total_of_squares = _exact_sums(images, squares=True)
        variance = (count * total_of_squares - total * total) / count**2
        deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
        return PixelStatistics((total / count).astype(np.float32), (1.0 / deviation).astype(np.float32))
    raise ValueError(f"unknown preprocessing {preprocessing!r}")


def _exact_sums(images: NDArray[np.uint8], squares: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sums of the pixels and, if `squares`, of their squares (else zeros): int64 [pixels] each."""
    total = np.zeros(images.shape[1], np.int64)
    total_of_squares = np.zeros(images.shape[1], np.int64)
    ones = np.ones(_BLOCK, np.float32)
    for first in range(0, len(images), _BLOCK):
        block = images[first : first + _BLOCK].astype(np.float32)
        total += (ones[: len(block)] @ block).astype(np.int64)
        if squares:
            total_of_squares += (ones[: len(block)] @ np.square(block)).astype(np.int64)
    return total, total_of_squares
