"""The interface of a model, and the list of models."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from swath.errors import SwathError
from swath.models.model_code import program_code
from swath.system import as_float32

if TYPE_CHECKING:  # plans need the sizes of a model, and no NumPy
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from swath.models.own import OwnModel

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


@dataclass(frozen=True)
class ModelSpec:
    """Description of a model that does not load TensorFlow.

    Attributes:
      name: value of `model.name`.
      source: `module:function` that creates the `LanewiseModel` from the values of a run, the values per
        image and the number of classes.
      predictor: Python file that predicts from stored arrays with NumPy only; copied into logged models. None
        if only the model itself predicts.
      picture: `module:function` that draws the weights, from arrays, image shape and class names; None for
        no picture.
      layers: (values of a run, number of classes) -> units of each layer; they decide memory and time.
      most_lanes: most lanes of a program, where more would not be faster; None for no such limit.
      own: the declaration of a model that is not one of swath's; `source` is empty.
      package: name and version of the package that declares it; empty for swath's and for a program's.
      module: the module that the package names.
      program_code: digest of the object that a program gave when it declared the model.
    """

    name: str
    source: str
    predictor: Path | None
    picture: str | None
    layers: Callable[[Values, int], Sequence[int]]
    most_lanes: int | None = None
    own: OwnModel | None = None
    package: str = ""
    module: str = ""
    program_code: str = ""

    @property
    def is_served(self) -> bool:
        """Whether another process can predict with the model: by NumPy alone, or by an installed package."""
        return self.predictor is not None or bool(self.package)

    def make(
        self, values: Values, pixels: int, classes: int, image_shape: tuple[int, int, int] | None = None
    ) -> LanewiseModel:
        """Create the model for a run and a size of images; loads TensorFlow.

        Args:
          values: fields of the run.
          pixels: values per image.
          classes: number of classes.
          image_shape: channels, rows, columns; None for one row, where a model uses pixels only.
        """
        if self.own is not None:
            from swath.models.unrolled import UnrolledModel  # loads TensorFlow

            shape = image_shape or (1, 1, pixels)
            return UnrolledModel(self.name, self.own.build(values, shape, classes), shape, classes)
        model: LanewiseModel = _load(self.source)(values, pixels, classes)
        return model

    def check(
        self,
        values: Values,
        pixels: int,
        classes: int,
        image_shape: tuple[int, int, int],
        seeds: Iterable[int] = (0,),
    ) -> None:
        """Create a model that is not one of swath's, and compute a gradient, before anything is stored.

        Args:
          values: see `make`.
          pixels: see `make`.
          classes: see `make`.
          image_shape: see `make`.
          seeds: of the initial weights.

        Raises:
          SwathError: the model cannot be created or computed.
        """
        if self.own is None:
            return
        try:
            made: Any = self.make(values, pixels, classes, image_shape)
            made.check(seeds)
        except SwathError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise SwathError(f"model {self.name}: {reason}") from error

    def draw(
        self, arrays: Arrays, image_shape: tuple[int, int, int], class_names: tuple[str, ...]
    ) -> Image.Image:
        """Draw the weights of the first layer, with a model that has a picture."""
        assert self.picture is not None
        image: Image.Image = _load(self.picture)(arrays, image_shape, class_names)
        return image

    def weights(self, values: Values, pixels: int, classes: int) -> int:
        """Number of weights of one lane, without biases."""
        sizes = (pixels, *self.layers(values, classes))
        return sum(inputs * units for inputs, units in pairwise(sizes))


def _load(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


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


SOFTMAX_REGRESSION = ModelSpec(
    "softmax_regression",
    "swath.models.softmax_regression:make",
    Path(__file__).with_name("softmax_predictor.py"),
    "swath.models.weight_images:draw_weights",
    layers=lambda values, classes: (classes,),
)

MLP = ModelSpec(
    "mlp",
    "swath.models.mlp:make",
    Path(__file__).with_name("mlp_predictor.py"),
    "swath.models.weight_images:draw_units",
    layers=lambda values, classes: (*hidden_units_of(values), classes),
    most_lanes=24,
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in (SOFTMAX_REGRESSION, MLP)}
"""All models, by name: those of swath, and those that packages and the program have added."""

OWN_MODEL_PAGE = "docs/how-to/own-model.md"

BROKEN: dict[str, str] = {}
"""Models that packages declare and that cannot be used: the reason by name, in one line."""

MOST_UNROLLED = 8
"""Most lanes of a program in which each lane has operations of its own (docs/decisions/own-models.md)."""


def add_model(own: OwnModel, package: str = "", module: str = "") -> None:
    """Add a model, or replace the one of this name.

    Args:
      own: its declaration.
      package: name and version of its package; empty if the program itself declares it.
      module: the module that the package names.
    """
    layers = own.layers or (lambda values, classes: (128, classes))
    code = "" if package else program_code(own.source)
    MODELS[own.name] = ModelSpec(
        own.name, "", own.predictor, own.picture, layers, MOST_UNROLLED, own, package, module, code
    )


def remove_model(name: str) -> None:
    """Remove a model that a package or a program has added."""
    MODELS.pop(name, None)


DEFAULT_MODEL = SOFTMAX_REGRESSION.name
"""The model of runs without a model name."""


def model_of(values: Values) -> ModelSpec:
    """The model of a run, by its fields or params; runs of swath 0.1 have no `model.name`.

    Raises:
      SwathError: the model is not there.
    """
    name = str(values.get("model.name", DEFAULT_MODEL))
    if name not in MODELS:
        raise SwathError(missing_model(name))
    return MODELS[name]


def missing_model(name: str) -> str:
    """The line about a model that is not there."""
    if name in BROKEN:
        return f"model {name}: {BROKEN[name]}"
    return f"model {name} is not installed; install its package, or make it one: {OWN_MODEL_PAGE}"
