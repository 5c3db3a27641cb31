"""The models by name: those of swath, and those that packages and programs have added."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import SwathError
from swath.models.model import Arrays, LanewiseModel, Values, hidden_units_of
from swath.system import object_digest, package_digest

if TYPE_CHECKING:
    from PIL import Image

    from swath.models.own import OwnModel


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
      shares_products: whether the outputs of all lanes are columns of one product.
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
    shares_products: bool = False

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


SOFTMAX_REGRESSION = ModelSpec(
    "softmax_regression",
    "swath.models.softmax_regression:make",
    Path(__file__).with_name("softmax_predictor.py"),
    "swath.models.weight_images:draw_weights",
    layers=lambda values, classes: (classes,),
    shares_products=True,
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


UNKNOWN = "unknown"
"""Stands for the digest of code of which nobody can say whether it has changed."""


def code_of(spec: ModelSpec) -> str:
    """`NAME:DIGEST` of a model: of its package's Python files, or of the object that a program gave.

    Empty for a model of swath, whose version says it; `NAME:unknown` where a change would not be noticed.
    """
    if spec.own is None:
        return ""
    if not spec.package:
        return f"{spec.name}:{spec.program_code}"
    try:
        return f"{spec.name}:{package_digest(spec.module)}"
    except (OSError, ImportError, ValueError):
        return f"{spec.name}:{UNKNOWN}"


def program_code(source: Any) -> str:
    """Digest of the object with which a program declares a model, as it is now."""
    try:
        return object_digest(source)
    except (TypeError, ValueError, AttributeError, RecursionError, ImportError):
        return UNKNOWN
