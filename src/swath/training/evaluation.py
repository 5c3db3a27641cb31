"""Images as TensorFlow tensors, and the evaluation of lanes on a split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.datasets import Dataset, PixelStatistics, pixel_statistics
from swath.models import Model, Tensor, Tensors, tf
from swath.planning import BLOCK_IMAGES


@dataclass(frozen=True)
class Split:
    """Images and labels of a split.

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
    """A data set as tensors, divided into splits.

    Attributes:
      train: images from which batches are drawn.
      validation: the last `validation_size` training images; may be empty.
      test: all test images.
      statistics: pixel statistics of the images in `train`.
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
    """Divide a data set into splits, compute its statistics and create tensors.

    Args:
      dataset: images and labels.
      validation_size: number of training images to hold back, the last ones; fewer than all.
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
    """Normalize pixels to inputs of the model, float32 [batch, pixels].

    Args:
      pixels: uint8 [batch, pixels]
      shift: float32 [pixels], subtracted
      scale: float32 [pixels], multiplied after the subtraction; None for 1
    """
    centred = tf.cast(pixels, tf.float32) - shift
    return centred if scale is None else centred * scale


BLOCKS_IN_FLIGHT = 2
"""Blocks that TensorFlow may work on at a time."""

Evaluate = Callable[[Tensors, int, Split], "Scores"]
"""(parameters, number of lanes, split) -> scores."""


@dataclass(frozen=True)
class Scores:
    """Scores of each lane on a split.

    Attributes:
      accuracies: float64 [lanes], in 0..1
      losses: float64 [lanes], mean cross-entropy
      predictions: uint8 [images, lanes], predicted class
      image_losses: float32 [images, lanes], cross-entropy of each image
    """

    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]
    image_losses: NDArray[np.float32]


def correct_counts(predictions: Tensor, labels: Tensor) -> Tensor:
    """Number of predictions that equal the labels, int32 [lanes]: integer sums are exact in any order."""
    return tf.reduce_sum(tf.cast(tf.equal(predictions, labels[:, tf.newaxis]), tf.int32), axis=0)


def compile_evaluation(data: DeviceData, model: Model) -> Evaluate:
    """Compile an evaluation for any number of lanes, with the preprocessing of `data`."""

    def evaluate_split(parameters: Tensors, lanes: Tensor, images: Tensor, labels: Tensor) -> Any:
        count = tf.shape(images)[0]
        blocks = -(-count // BLOCK_IMAGES)
        # Every block has the same shape and so the same rounding: the last one repeats the last image.
        shape = model.shape_batch(tf.constant(BLOCK_IMAGES), tf.constant(BLOCK_IMAGES), lanes)

        def body(block: Tensor, predictions: Any, losses: Any) -> Any:
            chosen = tf.minimum(block * BLOCK_IMAGES + tf.range(BLOCK_IMAGES), count - 1)
            inputs = normalize(tf.gather(images, chosen), data.shift, data.scale)
            found = model.forward(parameters, inputs, tf.gather(labels, chosen), shape)
            predicted = tf.cast(found.predictions, tf.uint8)
            return block + 1, predictions.write(block, predicted), losses.write(block, found.losses)

        start = (
            tf.constant(0),
            tf.TensorArray(tf.uint8, blocks, element_shape=[BLOCK_IMAGES, None]),
            tf.TensorArray(tf.float32, blocks, element_shape=[BLOCK_IMAGES, None]),
        )
        _, predictions, losses = tf.while_loop(
            lambda block, *_: block < blocks, body, start, parallel_iterations=BLOCKS_IN_FLIGHT
        )
        return predictions.concat()[:count], losses.concat()[:count]

    pixels = data.train.images.shape[1]
    compiled: Any = tf.function(
        evaluate_split,
        autograph=False,
        input_signature=[
            model.signature(),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None, pixels], tf.uint8),
            tf.TensorSpec([None], tf.int32),
        ],
    )

    def evaluate(parameters: Tensors, lanes: int, split: Split) -> Scores:
        predictions, losses = (
            array.numpy() for array in compiled(parameters, lanes, split.images, split.labels)
        )
        correct = np.count_nonzero(predictions == split.labels.numpy()[:, np.newaxis], axis=0)
        # Each lane is summed by itself, so that the order of additions does not depend on the other lanes,
        # and in float64: a float32 sum of ten thousand losses would lose precision.
        sums = [float(np.sum(column)) for column in np.array(losses.T, np.float64, order="C")]
        return Scores(correct / len(split), np.array(sums) / len(split), predictions, losses)

    return evaluate
