"""The images of a sweep as TensorFlow holds them: one copy, uint8, for every program that trains on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.datasets import Dataset, PixelStatistics, pixel_statistics
from swath.models import Tensor, tf


@dataclass(frozen=True)
class Split:
    """Images of one purpose.

    Attributes:
      images: uint8 [n, pixels]
      labels: int32 [n]
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return int(self.images.shape[0])


@dataclass(frozen=True)
class DeviceData:
    """A data set, split and ready to train on.

    Attributes:
      train: what batches are drawn from.
      validation: the last `validation_size` training images; may be empty.
      test: all test images.
      statistics: of the images in `train`.
      shift: float32 [pixels], the statistics as tensors
      scale: float32 [pixels] or None
    """

    train: Split
    validation: Split
    test: Split
    statistics: PixelStatistics
    shift: Tensor
    scale: Tensor | None


def make_device_data(dataset: Dataset, validation_size: int, preprocessing: str) -> DeviceData:
    """Split `dataset`, compute its statistics and hand it to TensorFlow.

    Args:
      dataset: images and labels.
      validation_size: how many of the last training images are held back; less than there are.
      preprocessing: as in `pixel_statistics`.
    """
    kept = len(dataset.train_images) - validation_size
    statistics = pixel_statistics(dataset.train_images[:kept], preprocessing)
    return DeviceData(
        _split(dataset.train_images[:kept], dataset.train_labels[:kept]),
        _split(dataset.train_images[kept:], dataset.train_labels[kept:]),
        _split(dataset.test_images, dataset.test_labels),
        statistics,
        tf.constant(statistics.shift),
        None if statistics.scale is None else tf.constant(statistics.scale),
    )


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
    return Split(tf.constant(images), tf.constant(labels.astype(np.int32)))


def normalize(pixels: Tensor, shift: Tensor, scale: Tensor | None) -> Tensor:
    """The model's inputs, float32 [batch, pixels].

    Args:
      pixels: uint8 [batch, pixels]
      shift: float32 [pixels], subtracted
      scale: float32 [pixels], multiplied after that; None for 1
    """
    centred = tf.cast(pixels, tf.float32) - shift
    return centred if scale is None else centred * scale
