"""The network: one convolution, the largest value of each patch, a full layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from swath.models import tf

PATCH = 4
"""Rows and columns of a patch of which the largest value is kept."""

STRIDE = 2


class Convnet:
    """Logits are `max_of_patches(relu(convolution(images) + filter_biases)) @ weights + biases`.

    Args:
      image_shape: channels, rows, columns.
      classes: number of classes.
      filters: filters of the convolution.
      kernel_size: rows and columns of a filter.
    """

    layout = "images"
    penalized = ("kernels", "weights")

    def __init__(self, image_shape: tuple[int, int, int], classes: int, filters: int, kernel_size: int):
        channels, rows, columns = image_shape
        patches = [-(-length // (STRIDE * PATCH)) for length in (rows, columns)]
        self.kernel_shape = (kernel_size, kernel_size, channels, filters)
        self.weights_shape = (patches[0] * patches[1] * filters, classes)

    def init(self, seed: int) -> dict[str, np.ndarray]:
        """Normal weights with a deviation of sqrt(2 / inputs) (He et al. 2015); zero biases."""
        generator = np.random.default_rng(seed)

        def drawn(shape: tuple[int, ...]) -> np.ndarray:
            inputs = np.prod(shape[:-1])
            return (generator.standard_normal(shape) * np.sqrt(2 / inputs)).astype(np.float32)

        return {
            "kernels": drawn(self.kernel_shape),
            "filter_biases": np.zeros(self.kernel_shape[-1], np.float32),
            "weights": drawn(self.weights_shape),
            "biases": np.zeros(self.weights_shape[-1], np.float32),
        }

    def losses(self, parameters: Mapping[str, Any], inputs: Any, labels: Any) -> tuple[Any, Any]:
        """Cross-entropy of each image, and its logits."""
        maps = tf.nn.conv2d(inputs, parameters["kernels"], STRIDE, "SAME")
        maps = tf.nn.relu(maps + parameters["filter_biases"])
        maps = tf.nn.max_pool2d(maps, PATCH, PATCH, "SAME")
        features = tf.reshape(maps, [-1, self.weights_shape[0]])
        logits = features @ parameters["weights"] + parameters["biases"]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits


def make(fields: Mapping[str, Any], image_shape: tuple[int, int, int], classes: int) -> Convnet:
    """The network of a run."""
    return Convnet(image_shape, classes, fields["filters"], fields["kernel_size"])
