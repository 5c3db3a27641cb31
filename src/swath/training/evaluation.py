"""Accuracy, loss and predictions of every lane over all images of a split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.models import Model, Tensor, Tensors, tf
from swath.planning import BLOCK_IMAGES
from swath.training.device_data import DeviceData, Split, normalize
from swath.training.loop import correct_counts

Evaluate = Callable[[Tensors, int, Split], "Scores"]
"""(parameters, number of lanes, split) -> scores."""


@dataclass(frozen=True)
class Scores:
    """Scores of each lane on a split.

    Attributes:
      accuracies: float64 [lanes], in 0..1
      losses: float64 [lanes], mean cross-entropy
      predictions: uint8 [images, lanes], predicted class
    """

    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]


def compile_evaluation(data: DeviceData, model: Model) -> Evaluate:
    """A compiled evaluation for any number of lanes, with the preprocessing of `data`."""

    def evaluate_block(
        parameters: Tensors, lanes: Tensor, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, ...]:
        # The last block of a split is padded, so that every block has the same shape and the same rounding.
        count = tf.shape(images)[0]
        missing = BLOCK_IMAGES - count
        shape = model.shape_batch(tf.constant(BLOCK_IMAGES), lanes)
        padded_images, padded_labels = tf.pad(images, [[0, missing], [0, 0]]), tf.pad(labels, [[0, missing]])
        inputs = normalize(padded_images, data.shift, data.scale)
        result = model.forward(parameters, inputs, padded_labels, shape)
        predictions = result.predictions[:count]
        losses = tf.pad(result.losses[:count], [[0, missing], [0, 0]])
        return (
            correct_counts(predictions, labels),
            model.sum_over_batch(losses, shape),
            tf.cast(predictions, tf.uint8),
        )

    pixels = data.train.images.shape[1]
    compiled: Any = tf.function(
        evaluate_block,
        autograph=False,
        input_signature=[
            model.signature(),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None, pixels], tf.uint8),
            tf.TensorSpec([None], tf.int32),
        ],
    )

    def evaluate(parameters: Tensors, lanes: int, split: Split) -> Scores:
        correct = np.zeros(lanes, np.int64)
        # Blocks are summed in float64, in their order: ten thousand float32 losses would lose digits.
        losses = np.zeros(lanes, np.float64)
        predictions = np.zeros((len(split), lanes), np.uint8)
        for first in range(0, len(split), BLOCK_IMAGES):
            block = slice(first, first + BLOCK_IMAGES)
            counted, summed, predicted = compiled(parameters, lanes, split.images[block], split.labels[block])
            correct += counted.numpy()
            losses += summed.numpy()
            predictions[block] = predicted.numpy()
        return Scores(correct / len(split), losses / len(split), predictions)

    return evaluate
