"""Softmax regression on flattened images, for several lanes at once.

The weights of all lanes are columns of one matrix, lane after lane, so that one matrix product computes all
lanes. The formulas are those of multinomial logistic regression (Bishop 2006, *Pattern
Recognition and Machine Learning*, section 4.3.4).

The results of a lane must not depend on the other lanes (docs/decisions/lanes.md). Therefore every sum over a
batch is a matrix product of `models.arithmetic`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swath.models.arithmetic import (
    COLUMN_TILE,
    block_sizes,
    column_sums,
    forward_product,
    gradient_product,
    in_blocks,
)
from swath.models.backend import tf
from swath.models.model import Arrays, Blocks, Outputs, Tensor, Tensors, Values
from swath.models.outputs import RowPadding, cross_entropy, row_padding


class BatchShape(NamedTuple):
    """Sizes of a batch, and the paddings for them, as tensors that are computed once before a loop.

    One compiled program is used for any number of images and lanes, so TensorFlow cannot optimize it for a
    particular size.

    Attributes:
      images: int32, images in the batch; the rows after them are padding.
      lanes: int32
      columns: int32, classes * lanes
      row_padding: for images * lanes rows of logits.
      column_padding: int32 [2, 2], pads the columns of a matrix to a multiple of `COLUMN_TILE`, and its rows
        from the images to the rows of the batch.
      lane_padding: int32 [2, 2], the same for a matrix with one column per lane.
      value_padding: int32 [2, 2], pads the columns of a table to a multiple of `COLUMN_TILE`.
    """

    images: Tensor
    lanes: Tensor
    columns: Tensor
    row_padding: RowPadding
    column_padding: Tensor
    lane_padding: Tensor
    value_padding: Tensor


class SoftmaxRegression:
    """Logits are `inputs @ weights + biases`; weights and biases start at zero.

    Args:
      pixels: values per flattened image.
      classes: number of classes.
    """

    name = "softmax_regression"
    any_width = True
    penalized = ("weights",)

    def __init__(self, pixels: int, classes: int) -> None:
        self.pixels = pixels
        self.classes = classes

    def init(self, seed: int) -> Arrays:
        """Zero `weights`, float32 [pixels, classes], and `biases`, float32 [classes]; the seed is ignored."""
        return {
            "weights": np.zeros((self.pixels, self.classes), np.float32),
            "biases": np.zeros(self.classes, np.float32),
        }

    def signature(self, lanes: int) -> Tensors:
        """`weights`, float32 [width, padded columns] for each block; `biases`, float32 [padded columns]."""
        count, width = block_sizes(self.pixels)
        return {"weights": (tf.TensorSpec([width, None]),) * count, "biases": tf.TensorSpec([None])}

    def stack(self, lanes: Sequence[Arrays]) -> Tensors:
        """Columns of all lanes, lane after lane, padded with zeros to a multiple of `COLUMN_TILE`."""
        missing = -(self.classes * len(lanes)) % COLUMN_TILE
        weights = np.concatenate([lane["weights"] for lane in lanes], axis=1)
        biases = np.concatenate([lane["biases"] for lane in lanes])
        return {
            "weights": tuple(
                tf.constant(block) for block in in_blocks(np.pad(weights, [(0, 0), (0, missing)]), 0)
            ),
            "biases": tf.constant(np.pad(biases, (0, missing))),
        }

    def take(self, packed: Tensors, lane: int) -> dict[str, NDArray[np.float32]]:
        """`weights`, float32 [pixels, classes], and `biases`, float32 [classes], of one lane."""
        columns = slice(self.classes * lane, self.classes * (lane + 1))
        weights = np.concatenate([block[:, columns].numpy() for block in packed["weights"]])
        return {"weights": weights[: self.pixels], "biases": packed["biases"][columns].numpy()}

    def shape_batch(self, images: Tensor, rows: Tensor, lanes: Tensor) -> BatchShape:
        """See `Model`."""
        columns = self.classes * lanes
        padding = rows - images
        return BatchShape(
            images,
            lanes,
            columns,
            row_padding=row_padding(images * lanes),
            column_padding=tf.stack([[0, padding], [0, -columns % COLUMN_TILE]]),
            lane_padding=tf.stack([[0, padding], [0, -lanes % COLUMN_TILE]]),
            value_padding=tf.stack([[0, 0], [0, -columns % COLUMN_TILE]]),
        )

    def per_lane(self, values: Tensor, shape: BatchShape) -> Tensors:
        """The value of each lane in all of its columns, 0 in the padding: float32 [steps, padded columns]."""
        columns = tf.pad(tf.repeat(values, self.classes, axis=1), shape.value_padding)
        return {"weights": (columns,) * block_sizes(self.pixels)[0], "biases": columns}

    def forward(self, parameters: Tensors, inputs: Blocks, labels: Tensor, shape: BatchShape) -> Outputs:
        """See `Model`."""
        outputs, _ = self._forward_backward(parameters, inputs, labels, shape)
        return outputs

    def gradients(
        self, parameters: Tensors, inputs: Blocks, labels: Tensor, scale: Tensors, shape: BatchShape
    ) -> tuple[Outputs, Tensors]:
        """See `Model`: inputsᵀ @ logit_gradients for the weights, onesᵀ @ logit_gradients for the biases."""
        outputs, logit_gradients = self._forward_backward(parameters, inputs, labels, shape)
        # Scale the logit gradients, [batch, columns], because the weight gradient is thirty times as large.
        scaled = tf.pad(logit_gradients, shape.column_padding) * scale["biases"]
        return outputs, {
            "weights": tuple(gradient_product(inputs, scaled)),
            "biases": column_sums(scaled),
        }

    def sum_over_batch(self, values: Tensor, shape: BatchShape) -> Tensor:
        """See `Model`."""
        return column_sums(tf.pad(values, shape.lane_padding))[: shape.lanes]

    def _forward_backward(
        self, parameters: Tensors, inputs: Blocks, labels: Tensor, shape: BatchShape
    ) -> tuple[Outputs, Tensor]:
        """Outputs, and the gradient of each image's loss with respect to its logits.

        The gradient is softmax minus one-hot label, float32 [images, classes * lanes].
        """
        logits = (
            forward_product(inputs, parameters["weights"]) + parameters["biases"]
        )  # [rows, padded columns]
        per_lane = tf.reshape(
            logits[: shape.images, : shape.columns], [-1, self.classes]
        )  # [images * lanes, classes]
        labels_per_lane = tf.repeat(labels[: shape.images], shape.lanes)
        losses, logit_gradients = cross_entropy(per_lane, labels_per_lane, shape.row_padding)
        rows = shape.images * shape.lanes
        predictions = tf.argmax(per_lane, axis=1, output_type=tf.int32)
        outputs = Outputs(
            tf.reshape(predictions, [-1, shape.lanes]), tf.reshape(losses[:rows], [-1, shape.lanes])
        )
        return outputs, tf.reshape(logit_gradients[:rows], [-1, shape.columns])


def make(values: Values, pixels: int, classes: int) -> SoftmaxRegression:
    """The model of a run; no value of the run changes it."""
    return SoftmaxRegression(pixels, classes)
