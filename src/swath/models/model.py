"""The interface of a model, and the list of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from swath.system import as_float32

if TYPE_CHECKING:  # plans need the sizes of a model, and no NumPy
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.float32]]
else:
    Arrays = Mapping
    """The named arrays of one lane, float32."""

Tensor = Any
"""A TensorFlow tensor; TensorFlow ships no types."""

Values = Mapping[str, object]
"""Fields or params of a run, by dotted name."""

Tensors = dict[str, Any]
"""The named arrays of all lanes of a group, packed by the model: each a tensor or a tuple of tensors."""

Blocks = Sequence[Tensor]
"""Inputs, float32 [rows, width] for each block of pixels; see `arithmetic.block_sizes`."""


class Outputs(NamedTuple):
    """Predictions and losses of a batch, for each lane.

    Attributes:
      predictions: int32 [images, lanes], the class with the largest logit; the first in a tie.
      losses: float32 [images, lanes], the cross-entropy of each image.
    """

    predictions: Tensor
    losses: Tensor


class LanewiseModel(Protocol):
    """A classifier of images that trains lanes in one program.

    Results of a lane must be bit-identical at every width; widths are verified before they are used
    (`training.is_bit_exact`).

    Attributes:
      name: used in configurations and in keys of compiled programs.
      any_width: whether one compiled program serves any number of lanes; else there is one for each.
      penalized: names of the arrays that `l2` counts; the tutorial leaves out the biases.
    """

    name: str
    any_width: bool
    penalized: tuple[str, ...]

    def init(self, seed: int) -> Arrays:
        """Initial arrays of one lane; they depend only on the seed."""

    def signature(self, lanes: int) -> Tensors:
        """A `tf.TensorSpec` for each packed array; for any number of lanes if the model has any width."""

    def stack(self, lanes: Sequence[Arrays]) -> Tensors:
        """Pack the arrays of several lanes."""

    def take(self, packed: Tensors, lane: int) -> dict[str, NDArray[np.float32]]:
        """Unpack the arrays of one lane."""

    def shape_batch(self, images: Tensor, rows: Tensor, lanes: Tensor) -> Any:
        """Constants for one shape of batches; computed once per loop.

        Args:
          images: int32, number of images.
          rows: int32, number of rows of the inputs: a multiple of `arithmetic.ROW_MULTIPLE`, at most
            `arithmetic.MOST_ROWS`. The rows after the images are padding and must not change a result.
          lanes: number of lanes: an int32 tensor if the model has any width, else an int.
        """

    def per_lane(self, values: Tensor, shape: Any) -> Tensors:
        """Values of each step and lane, float32 [steps, lanes], as each array needs them.

        Returns:
          by array name, float32 [steps, ...]: a row is broadcastable to the packed array.
        """

    def forward(self, parameters: Tensors, inputs: Blocks, labels: Tensor, shape: Any) -> Outputs:
        """Predictions and losses.

        Args:
          parameters: packed parameters of all lanes.
          inputs: float32 [rows, width] for each block of pixels
          labels: int32 [rows]
          shape: from `shape_batch`.
        """

    def gradients(
        self, parameters: Tensors, inputs: Blocks, labels: Tensor, scale: Tensors, shape: Any
    ) -> tuple[Outputs, Tensors]:
        """Outputs, and the gradients of the scaled sum of the losses of each lane.

        Args:
          parameters: packed parameters of all lanes.
          inputs: float32 [rows, width] for each block of pixels
          labels: int32 [rows]
          scale: scale of each lane, from `per_lane`.
          shape: from `shape_batch`.
        """

    def sum_over_batch(self, values: Tensor, shape: Any) -> Tensor:
        """Sums over the images of a batch, float32 [images, lanes] -> [lanes]."""


def hidden_units_of(values: Values) -> tuple[int, ...]:
    """`model.hidden_units` of a run; a param has the form `[256,128]`."""
    given: Any = values["model.hidden_units"]
    return tuple(int(part) for part in given.strip("[]").split(",")) if isinstance(given, str) else given


def fields_of_model(values: Values, names: Iterable[str]) -> dict[str, Any]:
    """Values of fields of the model of a run, by their names without the prefix.

    Numbers are those of float32, as in fingerprints: runs of one fingerprint compute the same.
    """
    found = {name: values[f"model.{name}"] for name in names}
    return {name: as_float32(value) if isinstance(value, float) else value for name, value in found.items()}
