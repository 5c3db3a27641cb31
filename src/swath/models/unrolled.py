"""Trains several lanes of a one-lane model in one program, in which each lane has operations of its own.

The operations of a lane have the shapes that they have alone, and read the same batch. So a lane has the bits
that it has alone, whatever the model computes (docs/decisions/own-models.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.models.arithmetic import COLUMN_TILE, column_sums
from swath.models.backend import tf
from swath.models.model import Arrays, Blocks, Outputs, Tensor, Tensors
from swath.models.own import LAYOUTS, Model

TAKEN = ("shift", "scale", "image_shape", "class_names", "described", "file")
"""Names of arrays that files of weights and logged models have besides those of the model."""


class BatchShape(NamedTuple):
    """Sizes of a batch.

    Attributes:
      images: int32, images in the batch; the rows after them are padding.
      lane_padding: int32 [2, 2], pads a matrix with a column for each lane to the rows of the batch, and its
        columns to a multiple of `COLUMN_TILE`.
    """

    images: Tensor
    lane_padding: Tensor


class UnrolledModel:
    """A `LanewiseModel` made of a one-lane model; a packed array is a tuple with the array of each lane.

    Args:
      name: of the model, for messages.
      model: the one-lane model.
      image_shape: channels, rows, columns.
      classes: number of classes.

    Raises:
      SwathError: the model's attributes or arrays are not what `Model` says.
    """

    any_width = False

    def __init__(self, name: str, model: Model, image_shape: tuple[int, int, int], classes: int) -> None:
        self.name = name
        self._model = model
        self._image_shape = image_shape
        self._classes = classes
        self.penalized = tuple(model.penalized)
        if model.layout not in LAYOUTS:
            raise self._error(f"layout is {model.layout!r}, expected 'pixels' or 'images'")
        self._shapes: dict[str, tuple[int, ...]] = {}
        first = self.init(0)
        self._shapes = {name: array.shape for name, array in first.items()}
        if unknown := [name for name in self.penalized if name not in first]:
            raise self._error(f"penalized names {unknown[0]!r}, expected one of {', '.join(first)}")

    def _error(self, what: str) -> SwathError:
        return SwathError(f"model {self.name}: {what}")

    def check(self, seeds: Iterable[int] = (0,)) -> None:
        """Draw the initial arrays of each seed, and compute the gradients of two images in two graphs.

        Raises:
          SwathError: the model returns something else than `Model` says, or something else each time.
        """
        first = self.init(0)
        for seed in dict.fromkeys((0, *seeds)):
            arrays = self.init(seed)
            if seed == 0 and any(not np.array_equal(arrays[name], first[name]) for name in first):
                raise self._error("init returns other arrays for the same seed; use the seed for all of them")
        channels, rows, columns = self._image_shape
        pixels = channels * rows * columns
        images = np.random.default_rng(0).standard_normal((2, pixels)).astype(np.float32)
        packed, scale = self.stack([first]), dict.fromkeys(self._shapes, (tf.constant(1.0),))

        def gradients(inputs: Tensor, labels: Tensor) -> Any:
            shape = self.shape_batch(tf.shape(inputs)[0], tf.shape(inputs)[0], 1)
            return self.gradients(packed, [inputs], labels, scale, shape)

        signature = [tf.TensorSpec([None, pixels]), tf.TensorSpec([None], tf.int32)]
        found = []
        for _ in range(2):
            graph = tf.function(gradients, input_signature=signature, autograph=False)
            found.append([part.numpy().tobytes() for part in tf.nest.flatten(graph(images, [0, 1]))])
        if found[0] != found[1]:
            raise self._error("losses computes something else each time; leave out what draws random numbers")

    def init(self, seed: int) -> Arrays:
        """The model's own arrays, checked."""
        arrays = self._model.init(seed)
        if not isinstance(arrays, Mapping) or not arrays:
            raise self._error("init returns no arrays, expected a dict of float32 arrays by name")
        found = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in found.items():
            if not isinstance(name, str) or not name or "/" in name or name in TAKEN:
                raise self._error(
                    f"init names an array {name!r}; expected a name without /, none of {', '.join(TAKEN)}"
                )
            if array.dtype != np.float32:
                raise self._error(f"init returns {name} as {array.dtype}, expected float32")
        shapes = {name: array.shape for name, array in found.items()}
        if self._shapes and shapes != self._shapes:
            raise self._error(f"init({seed}) returns {_shown(shapes)}, init(0) {_shown(self._shapes)}")
        return found

    def signature(self, lanes: int) -> Tensors:
        """See `LanewiseModel`."""
        return {name: (tf.TensorSpec(shape),) * lanes for name, shape in self._shapes.items()}

    def stack(self, lanes: Sequence[Arrays]) -> Tensors:
        """For each array a tuple with that of each lane."""
        return {name: tuple(tf.constant(lane[name]) for lane in lanes) for name in self._shapes}

    def take(self, packed: Tensors, lane: int) -> dict[str, NDArray[np.float32]]:
        """The arrays of one lane."""
        return {name: packed[name][lane].numpy() for name in self._shapes}

    def shape_batch(self, images: Tensor, rows: Tensor, lanes: int) -> BatchShape:
        """See `LanewiseModel`."""
        return BatchShape(images, tf.stack([[0, rows - images], [0, -lanes % COLUMN_TILE]]))

    def per_lane(self, values: Tensor, shape: BatchShape) -> Tensors:
        """The value of each lane, for each array: a tuple of float32 [steps]."""
        return dict.fromkeys(self._shapes, tuple(tf.unstack(values, axis=1)))

    def forward(self, parameters: Tensors, inputs: Blocks, labels: Tensor, shape: BatchShape) -> Outputs:
        """See `LanewiseModel`."""
        joined = self._joined(inputs)[: shape.images]
        found = [self._losses(lane, joined, labels[: shape.images]) for lane in self._lanes(parameters)]
        return self._outputs(found)

    def gradients(
        self, parameters: Tensors, inputs: Blocks, labels: Tensor, scale: Tensors, shape: BatchShape
    ) -> tuple[Outputs, Tensors]:
        """See `LanewiseModel`: reverse-mode differentiation of each lane by itself."""
        joined, chosen = self._joined(inputs)[: shape.images], labels[: shape.images]
        found, gradients = [], []
        for number, lane in enumerate(self._lanes(parameters)):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(lane)
                losses, logits = self._losses(lane, joined, chosen)
            found.append((losses, logits))
            factors = tf.fill([shape.images], next(iter(scale.values()))[number])
            gradients.append(
                tape.gradient(
                    losses, lane, output_gradients=factors, unconnected_gradients=tf.UnconnectedGradients.ZERO
                )
            )
        packed = {
            name: tuple(tf.convert_to_tensor(each[name]) for each in gradients) for name in self._shapes
        }
        return self._outputs(found), packed

    def sum_over_batch(self, values: Tensor, shape: BatchShape) -> Tensor:
        """See `LanewiseModel`."""
        return column_sums(tf.pad(values, shape.lane_padding))[: values.shape[1]]

    def logits(self, arrays: Arrays, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of normalized images: float32 [images, pixels] -> [images, classes]."""
        lane = {name: tf.constant(arrays[name]) for name in self._shapes}
        labels = tf.zeros([len(inputs)], tf.int32)
        _, found = self._losses(lane, self._joined([tf.constant(inputs)]), labels)
        logits: NDArray[np.float32] = found.numpy()
        return logits

    def _lanes(self, parameters: Tensors) -> list[dict[str, Tensor]]:
        """The parameters of each lane."""
        count = len(next(iter(parameters.values())))
        return [{name: parameters[name][lane] for name in self._shapes} for lane in range(count)]

    def _joined(self, inputs: Blocks) -> Tensor:
        """The blocks of pixels as the model's inputs."""
        channels, rows, columns = self._image_shape
        pixels = channels * rows * columns
        flat = tf.ensure_shape(tf.concat(list(inputs), axis=1)[:, :pixels], [None, pixels])
        if self._model.layout == "pixels":
            return flat
        return tf.transpose(tf.reshape(flat, [-1, channels, rows, columns]), [0, 2, 3, 1])

    def _losses(self, lane: dict[str, Tensor], inputs: Tensor, labels: Tensor) -> tuple[Any, Any]:
        """Losses and logits of a lane; their shapes and types are checked while the program is compiled."""
        found = self._model.losses(dict(lane), inputs, labels)
        expected = "expected (losses float32 [images], logits float32 [images, classes])"
        if not isinstance(found, tuple) or len(found) != 2:
            raise self._error(f"losses returns {type(found).__name__}; {expected}")
        for part, wanted in zip(found, ([None], [None, self._classes]), strict=True):
            if not tf.is_tensor(part) or part.dtype != tf.float32:
                kind = part.dtype.name if tf.is_tensor(part) else type(part).__name__
                raise self._error(f"losses returns {kind}; {expected}")
            if not part.shape.is_compatible_with(wanted):
                raise self._error(
                    f"losses returns a tensor of shape {part.shape}; {expected}, {self._classes} classes"
                )
        return found

    def _outputs(self, found: Sequence[tuple[Tensor, Tensor]]) -> Outputs:
        predictions = [tf.argmax(logits, axis=1, output_type=tf.int32) for _, logits in found]
        return Outputs(tf.stack(predictions, axis=1), tf.stack([losses for losses, _ in found], axis=1))


def _shown(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
