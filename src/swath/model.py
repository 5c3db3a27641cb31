"""Softmax regression on flattened images, for several lanes at once: logits, losses, gradients, update.

A lane is one configuration. The weights of all lanes stand side by side as columns of one matrix, lane after
lane, so that one matrix product serves them all. The formulas are those of multinomial logistic regression
(Bishop 2006, *Pattern Recognition and Machine Learning*, section 4.3.4).

How the sums are written decides whether a lane's bits depend on its neighbours (docs/decisions/lanes.md):
every sum over a batch is a matrix product, and every matrix product has a number of columns that is a
multiple of `COLUMN_TILE`.
"""

from typing import Any, NamedTuple

from swath.compute import tf

Tensor = Any
"""A TensorFlow tensor; TensorFlow ships no types."""

CLASSES = 10

COLUMN_TILE = 16
"""Columns that a matrix product treats alike: the widest kernel of a CPU with AVX2 computes 16 at a time and
falls back to one that rounds differently where 8 or fewer are left over."""

ROW_TILE = 8
"""Rows of ten logits that fill whole vector registers: the exponentials of a remainder are computed one by
one, and round differently."""


class Parameters(NamedTuple):
    """What is learned, for all lanes.

    Attributes:
      weights: float32 [3072, columns], columns 10 * lane + class; columns past the last lane stay 0.
      biases: float32 [columns]
    """

    weights: Tensor
    biases: Tensor


class BatchResult(NamedTuple):
    """What a batch of images says about each lane.

    Attributes:
      predictions: int32 [batch, lanes], the class with the largest logit, the first of equals.
      losses: float32 [batch, lanes], the cross-entropy of each image.
      errors: float32 [batch, 10 * lanes], derivative of each image's loss with respect to its logits:
        softmax less one-hot label.
    """

    predictions: Tensor
    losses: Tensor
    errors: Tensor


def padded(columns: int) -> int:
    """The next multiple of `COLUMN_TILE`."""
    return -(-columns // COLUMN_TILE) * COLUMN_TILE


def initial_parameters(lanes: int, pixels: int) -> Parameters:
    """Zero weights and biases for `lanes` lanes."""
    columns = padded(CLASSES * lanes)
    return Parameters(tf.zeros([pixels, columns]), tf.zeros([columns]))


def inputs_of(pixels: Tensor, shift: Tensor, scale: Tensor | None) -> Tensor:
    """The model's inputs, float32 [batch, 3072], from uint8 pixels of the same shape.

    Args:
      pixels: uint8 [batch, 3072]
      shift: float32 [3072], subtracted
      scale: float32 [3072], multiplied after that; None for 1
    """
    centred = tf.cast(pixels, tf.float32) - shift
    return centred if scale is None else centred * scale


def apply(parameters: Parameters, inputs: Tensor, labels: Tensor, lanes: int) -> BatchResult:
    """Logits `inputs @ weights + biases`, and from them predictions, losses and errors of every lane.

    Args:
      parameters: of `lanes` lanes
      inputs: float32 [batch, 3072]
      labels: int32 [batch], class index in 0..9
      lanes: how many lanes the parameters hold
    """
    logits = tf.matmul(inputs, parameters.weights) + parameters.biases  # [batch, columns]
    per_lane = tf.reshape(logits[:, : CLASSES * lanes], [-1, CLASSES])  # [batch * lanes, 10]
    labels_per_lane = tf.repeat(labels, lanes) if lanes > 1 else labels  # [batch * lanes]
    rows = _rows(per_lane)
    missing = -rows % ROW_TILE
    losses, errors = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=tf.pad(per_lane, [[0, missing], [0, 0]]), labels=tf.pad(labels_per_lane, [[0, missing]])
    )
    predictions = tf.argmax(per_lane, axis=1, output_type=tf.int32)
    return BatchResult(
        tf.reshape(predictions, [-1, lanes]),
        tf.reshape(losses[:rows], [-1, lanes]),
        tf.reshape(errors[:rows], [-1, CLASSES * lanes]),
    )


def correct_counts(predictions: Tensor, labels: Tensor) -> Tensor:
    """How many predictions equal the labels, int32 [lanes]: counts are exact in any order."""
    return tf.reduce_sum(tf.cast(tf.equal(predictions, labels[:, tf.newaxis]), tf.int32), axis=0)


def sum_over_batch(values: Tensor) -> Tensor:
    """Column sums of `values`, [batch, n] -> [n], as a matrix product with rows of ones.

    TensorFlow's reductions order their additions by the shape; the product, padded, does not. Two rows of
    ones instead of one keep it a matrix-matrix product.
    """
    columns = values.shape[1]
    ones = tf.ones([2, _rows(values)])
    return tf.matmul(ones, _pad_columns(values))[0, :columns]


def updated(
    parameters: Parameters, inputs: Tensor, errors: Tensor, learning_rates: Tensor, batch_size: int
) -> Parameters:
    """Parameters after one step of gradient descent on the mean loss of a batch.

    weights - learning_rate * inputsᵀ @ errors / batch, and the same for biases, whose inputs are ones.

    Args:
      parameters: of all lanes
      inputs: float32 [batch, 3072]
      errors: float32 [batch, 10 * lanes]
      learning_rates: float32 [columns], each lane's rate in all of its columns
      batch_size: number of images in the batch
    """
    # Rates scale the errors, [batch, columns], not the gradient, which is thirty times as large.
    steps = _pad_columns(errors) * (learning_rates / float(batch_size))  # [batch, columns]
    return Parameters(
        parameters.weights - tf.matmul(inputs, steps, transpose_a=True),
        parameters.biases - sum_over_batch(steps),
    )


def _rows(matrix: Tensor) -> Any:
    """The number of rows: a plain number where it is known while the program is built, which saves steps."""
    return tf.shape(matrix)[0] if matrix.shape[0] is None else matrix.shape[0]


def _pad_columns(matrix: Tensor) -> Tensor:
    columns = matrix.shape[1]
    missing = padded(columns) - columns
    return tf.pad(matrix, [[0, 0], [0, missing]]) if missing else matrix
