"""Images as TensorFlow tensors, and the evaluation of lanes on a split."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.datasets import Dataset, PixelStatistics, pixel_statistics
from swath.models import Blocks, LanewiseModel, Tensor, Tensors, block_sizes, in_blocks, tf
from swath.planning import BLOCK_IMAGES


@dataclass(frozen=True)
class Split:
    """Images and labels of a split.

    Attributes:
      images: uint8 [n, blocks, width], the pixels of an image cut into blocks; see `models.block_sizes`.
      labels: int32 [n]
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return int(self.labels.shape[0])


@dataclass(frozen=True)
class DeviceData:
    """A data set as tensors, divided into splits.

    Attributes:
      train: images from which batches are drawn; if they are mirrored, followed by their mirror images.
      validation: the last `validation_size` training images; may be empty.
      test: all test images.
      statistics: pixel statistics of the images in `train`.
      shift: float32 [blocks, 1, width], the statistics as tensors
      scale: float32 [blocks, 1, width] or None
      is_mirrored: whether each image of a batch is mirrored with probability 1/2.
    """

    train: Split
    validation: Split
    test: Split
    statistics: PixelStatistics
    shift: Tensor
    scale: Tensor | None
    is_mirrored: bool = False

    @property
    def train_images(self) -> int:
        """Number of training images, without mirror images."""
        return len(self.train) // 2 if self.is_mirrored else len(self.train)

    def batch(self, images: Tensor, labels: Tensor, chosen: Tensor) -> tuple[Blocks, Tensor]:
        """Normalized inputs and labels of some images of a split.

        Args:
          images: of the split.
          labels: of the split.
          chosen: int32 [rows], indices of the images.
        """
        # An image is copied in one piece, and the blocks become the first axis while they are still bytes.
        pixels = tf.transpose(tf.gather(images, chosen), [1, 0, 2])
        inputs = normalize(pixels, self.shift, self.scale)
        return tf.unstack(inputs), tf.gather(labels, chosen)


def make_device_data(
    dataset: Dataset, validation_size: int, preprocessing: str, augment: str = "none"
) -> DeviceData:
    """Divide a data set into splits, compute its statistics and create tensors.

    Args:
      dataset: images and labels.
      validation_size: number of training images to hold back, the last ones; fewer than all.
      preprocessing: as in `pixel_statistics`.
      augment: `mirror` adds the mirror image of each training image, `none` does not. The statistics are
        those of the images themselves.
    """
    kept = len(dataset.train_images) - validation_size
    images, labels = dataset.train_images[:kept], dataset.train_labels[:kept]
    statistics = pixel_statistics(images, preprocessing)
    if augment == "mirror":
        images = np.concatenate([images, mirrored(images, dataset.image_shape)])
        labels = np.concatenate([labels, labels])
    return DeviceData(
        _split(images, labels),
        _split(dataset.train_images[kept:], dataset.train_labels[kept:]),
        _split(dataset.test_images, dataset.test_labels),
        statistics,
        _in_blocks(statistics.shift),
        None if statistics.scale is None else _in_blocks(statistics.scale),
        augment == "mirror",
    )


def mirrored(images: NDArray[np.uint8], image_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The images with left and right exchanged: uint8 [n, pixels]."""
    return images.reshape(-1, *image_shape)[..., ::-1].reshape(images.shape)


def _in_blocks(values: NDArray[np.float32]) -> Tensor:
    return tf.constant(in_blocks(values[np.newaxis], 1))


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
    count, width = block_sizes(images.shape[1])
    missing = count * width - images.shape[1]
    padded = np.pad(images, [(0, 0), (0, missing)]) if missing else images
    blocks = padded.reshape(len(images), count, width)
    return Split(_tensor(blocks), tf.constant(labels.astype(np.int32)))


ALIGNMENT = 64
"""Bytes at whose multiples the memory of a tensor begins; TensorFlow's kernels rely on it."""


def _tensor(array: NDArray[np.uint8]) -> Tensor:
    """A tensor of an array: of the same memory if that is protected, private and aligned, else of a copy.

    Images that are mapped from the cache are so, except on the file system of another machine.
    """
    if array.flags.writeable or not array.flags.c_contiguous or array.ctypes.data % ALIGNMENT:
        return tf.constant(array)
    shared = array.view()
    try:
        shared.flags.writeable = True  # DLPack has no read-only arrays; TensorFlow writes to no constant
    except ValueError:  # memory that nobody may write
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(shared.__dlpack__())


def normalize(pixels: Tensor, shift: Tensor, scale: Tensor | None) -> Tensor:
    """Normalize pixels to inputs of the model, float32 of the same shape.

    Args:
      pixels: uint8 [blocks, rows, width]
      shift: float32 [blocks, 1, width], subtracted
      scale: float32 [blocks, 1, width], multiplied after the subtraction; None for 1
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


def compile_evaluation(data: DeviceData, model: LanewiseModel) -> Evaluate:
    """Compile an evaluation for any number of lanes, with the preprocessing of `data`."""

    def evaluate_split(
        width: int | None, parameters: Tensors, lanes: Tensor, images: Tensor, labels: Tensor
    ) -> Any:
        count = tf.shape(labels)[0]
        blocks = -(-count // BLOCK_IMAGES)
        # Every block has the same shape and so the same rounding: the last one repeats the last image.
        of_block = tf.constant(BLOCK_IMAGES)
        shape = model.shape_batch(of_block, of_block, lanes if width is None else width)

        def body(block: Tensor, predictions: Any, losses: Any) -> Any:
            chosen = tf.minimum(block * BLOCK_IMAGES + tf.range(BLOCK_IMAGES), count - 1)
            inputs, chosen_labels = data.batch(images, labels, chosen)
            found = model.forward(parameters, inputs, chosen_labels, shape)
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

    _, count, pixels = data.train.images.shape

    @cache
    def compiled(width: int | None) -> Any:
        """The evaluation for a number of lanes; None for any."""
        signature = [
            model.signature(width or 1),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None, count, pixels], tf.uint8),
            tf.TensorSpec([None], tf.int32),
        ]
        return tf.function(partial(evaluate_split, width), autograph=False, input_signature=signature)

    def evaluate(parameters: Tensors, lanes: int, split: Split) -> Scores:
        program = compiled(None if model.any_width else lanes)
        predictions, losses = (
            array.numpy() for array in program(parameters, lanes, split.images, split.labels)
        )
        correct = np.count_nonzero(predictions == split.labels.numpy()[:, np.newaxis], axis=0)
        # Each lane is summed by itself, so that the order of additions does not depend on the other lanes,
        # and in float64: a float32 sum of ten thousand losses would lose precision.
        sums = [float(np.sum(column)) for column in np.array(losses.T, np.float64, order="C")]
        return Scores(correct / len(split), np.array(sums) / len(split), predictions, losses)

    return evaluate
