"""Statistics of the training images that bring pixels to a model's inputs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256
"""Images summed at a time: 256 squares of up to 255 stay below 2**24, and float32 holds every integer up to
there, so a block's sum is exact in whatever order a matrix product adds."""


@dataclass(frozen=True)
class PixelStatistics:
    """Inputs are `(pixels - shift) * scale`, per pixel position.

    Attributes:
      shift: float32 [3072], on the 0..255 scale.
      scale: float32 [3072]; None where nothing is scaled.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32] | None


def pixel_statistics(images: NDArray[np.uint8], preprocessing: str) -> PixelStatistics:
    """Statistics over training images, the same bits however the sums are cut: the sums are exact integers.

    Args:
      images: uint8 [n, 3072], n below 2**31.
      preprocessing: `mean_image` subtracts the mean image (the article's way), `standardize` also divides
        by each pixel's standard deviation (1 where a pixel never varies), `none` leaves pixels as they are.

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
    """Sum of the pixels and, where asked for, of their squares: int64 [3072] each."""
    total = np.zeros(images.shape[1], np.int64)
    total_of_squares = np.zeros(images.shape[1], np.int64)
    ones = np.ones(_BLOCK, np.float32)
    for first in range(0, len(images), _BLOCK):
        block = images[first : first + _BLOCK].astype(np.float32)
        total += (ones[: len(block)] @ block).astype(np.int64)
        if squares:
            total_of_squares += (ones[: len(block)] @ np.square(block)).astype(np.int64)
    return total, total_of_squares
