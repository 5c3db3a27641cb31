"""Softmax regression on flattened images, for several lanes at once: logits, losses, gradients, update.

A lane is one configuration. The weights of all lanes stand side by side as columns of one matrix, lane after
lane, so that one matrix product serves them all. The formulas are those of multinomial logistic regression
(Bishop 2006, *Pattern Recognition and Machine Learning*, section 4.3.4).

How the sums are written decides whether a lane's bits depend on its neighbours (docs/decisions/lanes.md):
every sum over a batch is a matrix product, and every matrix product has a number of columns that is a
multiple of `COLUMN_TILE`.
"""

from typing import Any, NamedTuple

from swath.models.backend import tf

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


class BatchShape(NamedTuple):
    """Sizes of a batch and of its lanes, and what is padded because of them.

    Tensors, worked out once, before a loop. One compiled program serves every number of images and lanes, so
    nothing in it can have been rewritten for one of them.

    Attributes:
      images: int32, images in the batch.
      lanes: int32
      columns: int32, 10 * lanes
      label_padding: int32 [1, 2], brings a vector of images * lanes up to whole `ROW_TILE`s.
      row_padding: int32 [2, 2], the same for the rows of a matrix.
      column_padding: int32 [2, 2], brings the columns of a matrix up to whole `COLUMN_TILE`s.
      lane_padding: int32 [2, 2], the same for a matrix with one column per lane.
      ones: float32 [2, images]
    """

    images: Tensor
    lanes: Tensor
    columns: Tensor
    label_padding: Tensor
    row_padding: Tensor
    column_padding: Tensor
    lane_padding: Tensor
    ones: Tensor


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


def batch_shape(images: Tensor, lanes: Tensor) -> BatchShape:
    """Sizes and paddings for batches of `images` images and `lanes` lanes, both int32."""
    columns = CLASSES * lanes
    label_padding = tf.stack([[0, -(images * lanes) % ROW_TILE]])
    return BatchShape(
        images,
        lanes,
        columns,
        label_padding,
        row_padding=tf.concat([label_padding, [[0, 0]]], 0),
        column_padding=tf.stack([[0, 0], [0, -columns % COLUMN_TILE]]),
        lane_padding=tf.stack([[0, 0], [0, -lanes % COLUMN_TILE]]),
        ones=tf.ones([2, images]),
    )


def broadcast_per_lane(learning_rates: Tensor, shape: BatchShape) -> Tensor:
    """Each lane's value in each of its columns, 0 past the last lane: float32 [lanes] -> [padded columns]."""
    return tf.pad(tf.repeat(learning_rates, CLASSES), shape.column_padding[1:])


def initial_parameters(lanes: int, pixels: int) -> Parameters:
    """Zero weights and biases for `lanes` lanes."""
    columns = padded(CLASSES * lanes)
    return Parameters(tf.zeros([pixels, columns]), tf.zeros([columns]))


def normalize(pixels: Tensor, shift: Tensor, scale: Tensor | None) -> Tensor:
    """The model's inputs, float32 [batch, 3072], from uint8 pixels of the same shape.

    Args:
      pixels: uint8 [batch, 3072]
      shift: float32 [3072], subtracted
      scale: float32 [3072], multiplied after that; None for 1
    """
    centred = tf.cast(pixels, tf.float32) - shift
    return centred if scale is None else centred * scale


def apply(parameters: Parameters, inputs: Tensor, labels: Tensor, shape: BatchShape) -> BatchResult:
    """Logits `inputs @ weights + biases`, and from them predictions, losses and errors of every lane.

    Args:
      parameters: of all lanes
      inputs: float32 [batch, 3072]
      labels: int32 [batch], class index in 0..9
      shape: of this batch
    """
    logits = tf.matmul(inputs, parameters.weights) + parameters.biases  # [batch, padded columns]
    per_lane = tf.reshape(logits[:, : shape.columns], [-1, CLASSES])  # [batch * lanes, 10]
    labels_per_lane = tf.repeat(labels, shape.lanes)  # [batch * lanes]
    # TensorFlow's fused operation works row by row; softmax and logarithm written out would not.
    losses, errors = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=tf.pad(per_lane, shape.row_padding), labels=tf.pad(labels_per_lane, shape.label_padding)
    )
    rows = shape.images * shape.lanes
    predictions = tf.argmax(per_lane, axis=1, output_type=tf.int32)
    return BatchResult(
        tf.reshape(predictions, [-1, shape.lanes]),
        tf.reshape(losses[:rows], [-1, shape.lanes]),
        tf.reshape(errors[:rows], [-1, shape.columns]),
    )


def correct_counts(predictions: Tensor, labels: Tensor) -> Tensor:
    """How many predictions equal the labels, int32 [lanes]: counts are exact in any order."""
    return tf.reduce_sum(tf.cast(tf.equal(predictions, labels[:, tf.newaxis]), tf.int32), axis=0)


def sum_over_batch(values: Tensor, padding: Tensor, shape: BatchShape) -> Tensor:
    """Column sums of `values`, float32 [batch, n] -> [n], as a matrix product with rows of ones.

    TensorFlow's reductions order their additions by the shape; the product, padded, does not. Two rows of
    ones instead of one keep it a matrix-matrix product.

    Args:
      values: float32 [batch, n]
      padding: int32 [2, 2], brings n up to whole `COLUMN_TILE`s.
      shape: of this batch
    """
    columns = tf.shape(values)[1]
    return tf.matmul(shape.ones, tf.pad(values, padding))[0, :columns]


def sgd_step(
    parameters: Parameters, inputs: Tensor, errors: Tensor, rates_per_image: Tensor, shape: BatchShape
) -> Parameters:
    """Parameters after one step of gradient descent on the mean loss of a batch.

    weights - learning_rate * inputsᵀ @ errors / batch, and the same for biases, whose inputs are ones.

    Args:
      parameters: of all lanes
      inputs: float32 [batch, 3072]
      errors: float32 [batch, 10 * lanes]
      rates_per_image: float32 [padded columns], learning_rate / batch of each column's lane
      shape: of this batch
    """
    # Rates scale the errors, [batch, columns], not the gradient, which is thirty times as large.
    steps = tf.pad(errors, shape.column_padding) * rates_per_image
    return Parameters(
        parameters.weights - tf.matmul(inputs, steps, transpose_a=True),
        parameters.biases - tf.matmul(shape.ones, steps)[0],
    )
