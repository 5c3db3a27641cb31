"""Losses of images from their logits."""

from typing import NamedTuple

from swath.models.backend import tf
from swath.models.model import Tensor

ROW_TILE = 8
"""Rows of logits that fill vector registers. Exponentials of a remainder are computed one at a time, and
round differently."""


class RowPadding(NamedTuple):
    """Paddings to a multiple of `ROW_TILE` rows, computed once before a loop.

    Attributes:
      of_labels: int32 [1, 2], of a vector.
      of_rows: int32 [2, 2], of the rows of a matrix.
    """

    of_labels: Tensor
    of_rows: Tensor


def row_padding(rows: Tensor) -> RowPadding:
    """The paddings for a number of rows, int32."""
    of_labels = tf.stack([[0, -rows % ROW_TILE]])
    return RowPadding(of_labels, tf.concat([of_labels, [[0, 0]]], 0))


def cross_entropy(logits: Tensor, labels: Tensor, padding: RowPadding) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each row, and its gradient with respect to the logits: softmax minus one-hot label.

    Args:
      logits: float32 [rows, classes]
      labels: int32 [rows]
      padding: for these rows.

    Returns:
      float32 [padded rows], float32 [padded rows, classes]; the rows after the first ones are padding.
    """
    # This fused operation computes each row separately; separate softmax and logarithm operations do not.
    losses, gradients = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=tf.pad(logits, padding.of_rows), labels=tf.pad(labels, padding.of_labels)
    )
    return losses, gradients
