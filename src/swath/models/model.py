"""What swath needs of a model: named arrays, and their gradients for several lanes at once."""

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
"""The named arrays of all lanes of a group, packed as the model wants them."""


class Outputs(NamedTuple):
    """Predictions and losses of a batch, for each lane.

    Attributes:
      predictions: int32 [batch, lanes], the class with the largest logit, the first of equals.
      losses: float32 [batch, lanes], the cross-entropy of each image.
    """

    predictions: Tensor
    losses: Tensor


class Model(Protocol):
    """A classifier of images, trained as lanes of one program.

    What it computes for a lane must be bit-identical at every number of lanes; widths are verified before
    they are used (`training.is_bit_exact`).

    Attributes:
      name: in configurations and in keys of compiled programs.
      shapes: fields of a configuration that decide the shapes of the arrays; lanes of a group share them.
    """

    name: str
    shapes: tuple[str, ...]

    def init(self, seed: int) -> Arrays:
        """The arrays of one lane before its first step; a function of the seed alone."""

    def signature(self) -> Tensors:
        """A `tf.TensorSpec` for each packed array, for any number of lanes."""

    def stack(self, lanes: Sequence[Arrays]) -> Tensors:
        """Pack the arrays of several lanes."""

    def take(self, packed: Tensors, lane: int) -> dict[str, NDArray[np.float32]]:
        """The arrays of one lane of a pack."""

    def shape_batch(self, images: Tensor, lanes: Tensor) -> Any:
        """Constants of a batch of `images` images and `lanes` lanes (int32 tensors), made once for a loop."""

    def per_lane(self, values: Tensor, shape: Any) -> Tensors:
        """One value a lane, float32 [lanes], broadcastable against each packed array, by its name."""

    def forward(self, parameters: Tensors, inputs: Tensor, labels: Tensor, shape: Any) -> Outputs:
        """Predictions and losses.

        Args:
          parameters: of all lanes.
          inputs: float32 [batch, pixels]
          labels: int32 [batch]
          shape: from `shape_batch`.
        """

    def gradients(
        self, parameters: Tensors, inputs: Tensor, labels: Tensor, scale: Tensors, shape: Any
    ) -> tuple[Outputs, Tensors]:
        """Outputs, and the gradients of each lane's summed loss times its scale.

        Args:
          parameters: of all lanes.
          inputs: float32 [batch, pixels]
          labels: int32 [batch]
          scale: of each lane, from `per_lane`.
          shape: from `shape_batch`.
        """

    def sum_over_batch(self, values: Tensor, shape: Any) -> Tensor:
        """Sums over the images of a batch, float32 [batch, lanes] -> [lanes]."""


@dataclass(frozen=True)
class ModelSpec:
    """A model as it is known without TensorFlow.

    Attributes:
      name: in stores and in keys of compiled programs.
      source: module and class of the `Model`, called with the values of an image and the number of classes.
      predictor: Python file that predicts from the stored arrays with NumPy alone; copied into logged models.
      draw: (arrays, image shape, class names) -> picture of what was learned.
    """

    name: str
    source: str
    predictor: Path
    draw: Callable[[Arrays, tuple[int, int, int], tuple[str, ...]], Image.Image]

    def make(self, pixels: int, classes: int) -> Model:
        """The model for images of a size; loads TensorFlow."""
        module, _, name = self.source.partition(":")
        made: Model = getattr(importlib.import_module(module), name)(pixels, classes)
        return made


SOFTMAX_REGRESSION = ModelSpec(
    "softmax_regression",
    "swath.models.softmax_regression:SoftmaxRegression",
    Path(__file__).with_name("softmax_predictor.py"),
    draw_weights,
)

MODELS = {spec.name: spec for spec in (SOFTMAX_REGRESSION,)}
"""Every model, by name."""

DEFAULT_MODEL = SOFTMAX_REGRESSION.name
"""The model of runs that name none."""
