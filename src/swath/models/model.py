"""The interface of a model, and the list of models."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swath.models.weight_images import draw_weights

Tensor = Any
"""A TensorFlow tensor; TensorFlow ships no types."""

Arrays = Mapping[str, NDArray[np.float32]]
"""The named arrays of one lane."""

Tensors = dict[str, Tensor]
"""The named arrays of all lanes of a group, packed by the model."""


class Outputs(NamedTuple):
    """Predictions and losses of a batch, for each lane.

    Attributes:
      predictions: int32 [batch, lanes], the class with the largest logit; the first in a tie.
      losses: float32 [batch, lanes], the cross-entropy of each image.
    """

    predictions: Tensor
    losses: Tensor


class Model(Protocol):
    """A classifier of images that trains lanes in one program.

    Results of a lane must be bit-identical at every width; widths are verified before they are used
    (`training.is_bit_exact`).

    Attributes:
      name: used in configurations and in keys of compiled programs.
      shapes: fields of a configuration that determine the shapes of the arrays; lanes of a group share them.
    """

    name: str
    shapes: tuple[str, ...]

    def init(self, seed: int) -> Arrays:
        """Initial arrays of one lane; they depend only on the seed."""

    def signature(self) -> Tensors:
        """A `tf.TensorSpec` for each packed array, for any number of lanes."""

    def stack(self, lanes: Sequence[Arrays]) -> Tensors:
        """Pack the arrays of several lanes."""

    def take(self, packed: Tensors, lane: int) -> dict[str, NDArray[np.float32]]:
        """Unpack the arrays of one lane."""

    def shape_batch(self, images: Tensor, lanes: Tensor) -> Any:
        """Constants for batches of `images` images and `lanes` lanes, both int32; computed once per loop."""

    def per_lane(self, values: Tensor, shape: Any) -> Tensors:
        """One value per lane, float32 [lanes], broadcastable to each packed array, by array name."""

    def forward(self, parameters: Tensors, inputs: Tensor, labels: Tensor, shape: Any) -> Outputs:
        """Predictions and losses.

        Args:
          parameters: packed parameters of all lanes.
          inputs: float32 [batch, pixels]
          labels: int32 [batch]
          shape: from `shape_batch`.
        """

    def gradients(
        self, parameters: Tensors, inputs: Tensor, labels: Tensor, scale: Tensors, shape: Any
    ) -> tuple[Outputs, Tensors]:
        """Outputs, and the gradients of the scaled sum of the losses of each lane.

        Args:
          parameters: packed parameters of all lanes.
          inputs: float32 [batch, pixels]
          labels: int32 [batch]
          scale: scale of each lane, from `per_lane`.
          shape: from `shape_batch`.
        """

    def sum_over_batch(self, values: Tensor, shape: Any) -> Tensor:
        """Sums over the images of a batch, float32 [batch, lanes] -> [lanes]."""


@dataclass(frozen=True)
class ModelSpec:
    """Description of a model that does not load TensorFlow.

    Attributes:
      name: used in stores and in keys of compiled programs.
      source: module and class of the `Model`; its arguments are values per image and number of classes.
      predictor: Python file that predicts from stored arrays with NumPy only; copied into logged models.
      draw: (arrays, image shape, class names) -> image of the weights.
      columns: number of classes -> weights of a lane per value of an image.
    """

    name: str
    source: str
    predictor: Path
    draw: Callable[[Arrays, tuple[int, int, int], tuple[str, ...]], Image.Image]
    columns: Callable[[int], int]

    def make(self, pixels: int, classes: int) -> Model:
        """Create the model for a size of images; loads TensorFlow."""
        module, _, name = self.source.partition(":")
        model: Model = getattr(importlib.import_module(module), name)(pixels, classes)
        return model


SOFTMAX_REGRESSION = ModelSpec(
    "softmax_regression",
    "swath.models.softmax_regression:SoftmaxRegression",
    Path(__file__).with_name("softmax_predictor.py"),
    draw_weights,
    columns=lambda classes: classes,
)

MODELS = {spec.name: spec for spec in (SOFTMAX_REGRESSION,)}
"""All models, by name."""

DEFAULT_MODEL = SOFTMAX_REGRESSION.name
"""The model of runs without a model name."""


def model_of(values: Mapping[str, object]) -> ModelSpec:
    """The model of a run; so far all runs have the same.

    Args:
      values: fields or params of the run, by dotted name.
    """
    return MODELS[DEFAULT_MODEL]
