"""Multilayer perceptron: layers of ReLU units on flattened images, as in the tutorial's second part.

Lanes share the product of the first layer, which takes nearly all the time: their units are columns of one
matrix, up to `SHARED_COLUMNS`. The other layers of a lane are computed by themselves, with the shapes that
they have alone. All products are those of `models.arithmetic`, so the bits of a lane depend neither on the
other lanes nor on how many share a product (docs/decisions/lanes.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swath.models.arithmetic import (
    COLUMN_TILE,
    block_sizes,
    column_sums,
    forward_product,
    gradient_product,
    in_blocks,
    padded_size,
)
from swath.models.backend import tf
from swath.models.model import Arrays, Blocks, Outputs, Tensor, Tensors, Values, hidden_units_of
from swath.models.outputs import RowPadding, cross_entropy, row_padding

FIRST_LAYER_KEY = 2**62
"""Added to the number of a layer, because the keys from 0 up draw the batches of the steps."""

SHARED_COLUMNS = 512
"""Most columns of a first layer's product: wider ones were no faster (docs/decisions/mlp.md)."""


class BatchShape(NamedTuple):
    """Sizes of a batch.

    Attributes:
      images: int32, images in the batch; the rows after them are padding.
      loss_padding: for images * lanes rows of logits.
      row_padding: int32 [2, 2], pads a matrix of logits to the rows of the batch, and its columns to a
        multiple of `COLUMN_TILE`.
      lane_padding: int32 [2, 2], the same for a matrix with a column for each lane, and its columns to a
        multiple of `COLUMN_TILE`.
    """

    images: Tensor
    loss_padding: RowPadding
    row_padding: Tensor
    lane_padding: Tensor


class MultilayerPerceptron:
    """Layers `relu(inputs @ weights + biases)`, the last one without ReLU.

    The arrays of a lane are `weights_1` [pixels, units], `biases_1` [units], `weights_2`, ... They are padded
    to full tiles in a pack. Padded units have zero weights, so they stay zero.

    Args:
      pixels: values per flattened image.
      classes: number of classes.
      hidden_units: units of each hidden layer, at least one.
    """

    name = "mlp"
    any_width = False

    def __init__(self, pixels: int, classes: int, hidden_units: Sequence[int]) -> None:
        self.pixels = pixels
        self.classes = classes
        self.sizes = (*hidden_units, classes)
        self.penalized = tuple(f"weights_{layer}" for layer in self._layers)

    @property
    def _layers(self) -> range:
        return range(1, len(self.sizes) + 1)

    def _inputs(self, layer: int) -> int:
        """Values that a layer reads from one image."""
        return self.pixels if layer == 1 else self.sizes[layer - 2]

    def _columns(self, layer: int) -> int:
        """Units of a layer with the padding."""
        return padded_size(self.sizes[layer - 1])

    def _shared(self, lanes: int) -> list[list[int]]:
        """The lanes of each product of the first layer."""
        most = max(1, SHARED_COLUMNS // self._columns(1))
        return [list(range(first, min(first + most, lanes))) for first in range(0, lanes, most)]

    def init(self, seed: int) -> Arrays:
        """Weights from a normal distribution truncated at two deviations of 1 / sqrt(inputs); zero biases.

        The weights of a layer depend only on the seed, the layer and its size.
        """
        arrays: dict[str, NDArray[np.float32]] = {}
        for layer, size in zip(self._layers, self.sizes, strict=True):
            shape = [self._inputs(layer), size]
            key = tf.constant([seed, FIRST_LAYER_KEY + layer], tf.int64)
            drawn = tf.random.stateless_truncated_normal(shape, key, stddev=shape[0] ** -0.5, alg="philox")
            arrays[f"weights_{layer}"] = drawn.numpy()
            arrays[f"biases_{layer}"] = np.zeros(size, np.float32)
        return arrays

    def signature(self, lanes: int) -> Tensors:
        """See `LanewiseModel`; the structure is that of `stack`."""
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self._shapes().items()}
        packed = self._pack([zeros] * lanes)
        specs: Tensors = tf.nest.map_structure(lambda array: tf.TensorSpec(array.shape), packed)
        return specs

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array of a lane."""
        return {
            name: shape
            for layer, size in zip(self._layers, self.sizes, strict=True)
            for name, shape in (
                (f"weights_{layer}", (self._inputs(layer), size)),
                (f"biases_{layer}", (size,)),
            )
        }

    def stack(self, lanes: Sequence[Arrays]) -> Tensors:
        """Arrays of the first layer for each product, those of the other layers for each lane."""
        packed: Tensors = tf.nest.map_structure(tf.constant, self._pack(lanes))
        return packed

    def _pack(self, lanes: Sequence[Arrays]) -> Tensors:
        packed: Tensors = {}
        for layer in self._layers:
            weights, biases = f"weights_{layer}", f"biases_{layer}"
            members = self._shared(len(lanes)) if layer == 1 else [[lane] for lane in range(len(lanes))]
            packed[weights] = tuple(
                tuple(in_blocks(self._joined([lanes[lane][weights] for lane in each], layer), 0))
                for each in members
            )
            packed[biases] = tuple(
                self._joined([lanes[lane][biases] for lane in each], layer) for each in members
            )
        return packed

    def _joined(self, arrays: Sequence[NDArray[np.float32]], layer: int) -> NDArray[np.float32]:
        """Arrays side by side, their columns padded with zeros; the rows of later layers are padded too."""
        columns, found = self._columns(layer), []
        for array in arrays:
            missing = [(0, 0)] * (array.ndim - 1) + [(0, columns - array.shape[-1])]
            if layer > 1 and array.ndim == 2:
                missing[0] = (0, self._columns(layer - 1) - array.shape[0])
            found.append(np.pad(array, missing))
        return np.concatenate(found, axis=-1)

    def take(self, packed: Tensors, lane: int) -> dict[str, NDArray[np.float32]]:
        """The arrays of one lane, without padding."""
        found = {}
        for name, shape in self._shapes().items():
            first = name.endswith("_1")
            most = max(1, SHARED_COLUMNS // self._columns(1)) if first else 1
            part = packed[name][lane // most]
            array = np.concatenate([block.numpy() for block in part]) if len(shape) == 2 else part.numpy()
            start = self._columns(1) * (lane % most) if first else 0
            array = array[..., start : start + shape[-1]]
            found[name] = np.ascontiguousarray(array[: shape[0]] if len(shape) == 2 else array)
        return found

    def shape_batch(self, images: Tensor, rows: Tensor, lanes: int) -> BatchShape:
        """See `LanewiseModel`."""
        padding = rows - images
        return BatchShape(
            images,
            row_padding(images * lanes),
            tf.stack([[0, padding], [0, -self.classes % COLUMN_TILE]]),
            tf.stack([[0, padding], [0, -lanes % COLUMN_TILE]]),
        )

    def per_lane(self, values: Tensor, shape: BatchShape) -> Tensors:
        """In the first layer the value of each column, float32 [steps, columns]; in others [steps]."""
        lanes = int(values.shape[1])
        single = tf.unstack(values, axis=1)
        shared = [
            tf.repeat(tf.stack([single[lane] for lane in each], axis=1), self._columns(1), axis=1)
            for each in self._shared(lanes)
        ]
        found: Tensors = {}
        for layer in self._layers:
            blocks = block_sizes(self.pixels if layer == 1 else self._columns(layer - 1))[0]
            parts = shared if layer == 1 else single
            found[f"weights_{layer}"] = tuple((part,) * blocks for part in parts)
            found[f"biases_{layer}"] = tuple(parts)
        return found

    def forward(self, parameters: Tensors, inputs: Blocks, labels: Tensor, shape: BatchShape) -> Outputs:
        """See `LanewiseModel`."""
        _, logits = self._activations(parameters, inputs)
        return self._outputs(logits, labels, shape)[0]

    def _activations(self, parameters: Tensors, inputs: Blocks) -> tuple[list[list[Tensor]], list[Tensor]]:
        """Units of each hidden layer for each lane, and the logits of each lane: float32 [rows, columns]."""
        hidden: list[list[Tensor]] = []
        for blocks, biases in zip(parameters["weights_1"], parameters["biases_1"], strict=True):
            units = tf.raw_ops.Relu(features=forward_product(inputs, blocks) + biases)
            members = int(biases.shape[0]) // self._columns(1)
            hidden += [[part] for part in tf.split(units, members, axis=1)]
        logits = []
        for lane, units in enumerate(hidden):
            for layer in self._layers[1:]:
                weights, biases = parameters[f"weights_{layer}"][lane], parameters[f"biases_{layer}"][lane]
                found = forward_product(_cut(units[-1]), weights) + biases
                if layer < len(self.sizes):
                    units.append(tf.raw_ops.Relu(features=found))
                else:
                    logits.append(found)
        return hidden, logits

    def _outputs(
        self, logits: list[Tensor], labels: Tensor, shape: BatchShape
    ) -> tuple[Outputs, list[Tensor]]:
        """Outputs, and the gradient of each image's loss with respect to its logits, for each lane."""
        chosen = [each[: shape.images, : self.classes] for each in logits]
        lanes = len(logits)
        losses, gradients = cross_entropy(
            tf.concat(chosen, 0), tf.tile(labels[: shape.images], [lanes]), shape.loss_padding
        )
        rows = shape.images * lanes
        predictions = tf.stack([tf.argmax(each, 1, output_type=tf.int32) for each in chosen], axis=1)
        outputs = Outputs(predictions, tf.transpose(tf.reshape(losses[:rows], [lanes, -1])))
        return outputs, tf.split(gradients[:rows], lanes)

    def gradients(
        self, parameters: Tensors, inputs: Blocks, labels: Tensor, scale: Tensors, shape: BatchShape
    ) -> tuple[Outputs, Tensors]:
        """See `LanewiseModel`: backpropagation (Rumelhart, Hinton and Williams 1986)."""
        hidden, logits = self._activations(parameters, inputs)
        outputs, logit_gradients = self._outputs(logits, labels, shape)
        last = len(self.sizes)
        found: dict[str, list[Any]] = {name: [] for name in parameters}
        firsts = []
        for lane, units in enumerate(hidden):
            padded = tf.pad(logit_gradients[lane], shape.row_padding) * scale[f"biases_{last}"][lane]
            errors = tf.ensure_shape(padded, [None, self._columns(last)])
            below: list[tuple[Any, Any]] = []
            for layer in reversed(self._layers[1:]):
                features = units[layer - 2]
                below.append((tuple(gradient_product(_cut(features), errors)), column_sums(errors)))
                back = _back(errors, parameters[f"weights_{layer}"][lane])
                errors = tf.raw_ops.ReluGrad(gradients=back, features=features)
            for layer, (weights, biases) in zip(self._layers[1:], reversed(below), strict=True):
                found[f"weights_{layer}"].append(weights)
                found[f"biases_{layer}"].append(biases)
            firsts.append(errors)
        for each in self._shared(len(hidden)):
            errors = tf.concat([firsts[lane] for lane in each], axis=1)
            found["weights_1"].append(tuple(gradient_product(inputs, errors)))
            found["biases_1"].append(column_sums(errors))
        return outputs, {name: tuple(parts) for name, parts in found.items()}

    def sum_over_batch(self, values: Tensor, shape: BatchShape) -> Tensor:
        """See `LanewiseModel`."""
        return column_sums(tf.pad(values, shape.lane_padding))[: values.shape[1]]


def _cut(values: Tensor) -> list[Tensor]:
    """The columns of a matrix as equal blocks of at most `arithmetic.INNER`."""
    count, _ = block_sizes(int(values.shape[1]))
    return [values] if count == 1 else tf.split(values, count, axis=1)


def _back(errors: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """`errors @ transpose(weights)`: the gradient of the units that a layer reads, float32 [rows, units]."""
    parts = [forward_product(_cut(errors), _cut_rows(tf.transpose(block))) for block in weights]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def _cut_rows(values: Tensor) -> list[Tensor]:
    count, _ = block_sizes(int(values.shape[0]))
    return [values] if count == 1 else tf.split(values, count, axis=0)


def make(values: Values, pixels: int, classes: int) -> MultilayerPerceptron:
    """The model of a run with `model.hidden_units`."""
    return MultilayerPerceptron(pixels, classes, hidden_units_of(values))
