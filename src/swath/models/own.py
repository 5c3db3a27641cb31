"""A model that a package or a program brings: what swath needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from swath.models.model import Arrays, Tensor, Values, fields_of_model
from swath.system import check_names, loaded

LAYOUTS = ("pixels", "images")
"""`pixels`: inputs are float32 [images, pixels], all values of the first channel first, as CIFAR-10 stores
them. `images`: float32 [images, rows, columns, channels]."""


class Model(Protocol):
    """A classifier of images, as one lane sees it: pure functions of its arrays.

    swath trains several lanes in one program by calling `losses` once for each, with the shapes that a lane
    has alone (docs/decisions/own-models.md).

    Attributes:
      layout: how it wants its inputs, one of `LAYOUTS`.
      penalized: names of the arrays that `l2` counts; the tutorial leaves out the biases.
    """

    layout: str
    penalized: tuple[str, ...]

    def init(self, seed: int) -> Arrays:
        """The arrays before the first step, float32 by name.

        Names and shapes are the same for every seed; values depend on the seed alone. A name has no `/`, and
        is neither `shift` nor `scale`.
        """

    def losses(
        self, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of each image, and its logits, by TensorFlow's operations.

        What it computes for an image may depend on the parameters and on this image only.

        Args:
          parameters: float32, by name, with the shapes of `init`.
          inputs: normalized images, float32; see `layout`.
          labels: class indices, int32 [images].

        Returns:
          float32 [images], float32 [images, classes]
        """


Make = Callable[[Mapping[str, Any], tuple[int, int, int], int], Model]
"""(values of the model's own fields by name, image shape as (channels, rows, columns), number of classes) ->
model."""


@dataclass(frozen=True)
class OwnModel:
    """The declaration of a model: the object of an entry point `swath.models`, or `swath.sweep(model=...)`.

    It is read by every command, so it loads neither TensorFlow nor Keras: `make` imports them.

    Attributes:
      name: chosen by `model=NAME`; lower-case letters, digits and `_`.
      make: creates the model of a run: a function, or `module:function`, which is imported when it is needed.
      fields: its hyperparameters by name, from `swath.config.model_field`; `filters` becomes `model.filters`.
      help: one sentence.
      layers: (values of a run, number of classes) -> units of each layer of a network of full layers that
        takes about as much time and memory; estimates only. None: one layer of 128 units.
      predictor: Python file with a function `logits` that predicts with NumPy, as `mlp_predictor.py` of swath
        has; the logged model then needs neither TensorFlow nor the package.
      picture: `module:function` that draws the weights; None for no picture.
      source: function or object whose source code tells two versions of the model apart; None for `make`.

    Raises:
      ValueError: the name is not allowed.
    """

    name: str
    make: Make | str
    fields: Mapping[str, Any] = field(default_factory=dict)
    help: str = ""
    layers: Callable[[Values, int], Sequence[int]] | None = None
    predictor: Path | None = None
    picture: str | None = None
    source: Any = None

    def __post_init__(self) -> None:
        if self.source is None:
            object.__setattr__(self, "source", self.make)
        check_names(self.name, *self.fields)

    def build(self, values: Values, image_shape: tuple[int, int, int], classes: int) -> Model:
        """Create the model of a run; loads TensorFlow.

        Args:
          values: fields of the run, by dotted name.
          image_shape: channels, rows, columns.
          classes: number of classes.
        """
        from swath.models.backend import tf  # noqa: F401  set up before the model imports it

        model: Model = loaded(self.make)(fields_of_model(values, self.fields), image_shape, classes)
        return model


def own_model(given: object) -> OwnModel:
    """The declaration of what a program gives as `model`: a declaration, or a `Model` with a name.

    Raises:
      TypeError: it is neither.
      ValueError: its name is not allowed.
    """
    if isinstance(given, OwnModel):
        return given
    missing = [name for name in ("name", "layout", "penalized", "init", "losses") if not hasattr(given, name)]
    if isinstance(given, type) or missing:
        what = "a class; give an object of it" if isinstance(given, type) else f"without {missing[0]}"
        raise TypeError(f"expected an OwnModel, or a Model with a name; found {type(given).__name__} {what}")
    made: Any = given
    return OwnModel(made.name, lambda values, image_shape, classes: made, source=made)


def from_keras(
    build: Callable[..., Any], name: str = "", *, fields: Mapping[str, Any] | None = None, **details: Any
) -> OwnModel:
    """Declare a Keras model as a model of swath: `swath.sweep(model=from_keras(build), ...)`.

    `build(image_shape, classes, **fields)` gets (rows, columns, channels), the number of classes and the
    values of the fields. It returns a `keras.Model` whose outputs are logits, and imports Keras itself.
    Layers with state that training changes, or that draw random numbers, are refused by name when the
    training starts: batch normalization, dropout, random augmentation.

    Args:
      build: creates the Keras model.
      name: chosen by `model=NAME`; empty for the name of the function.
      fields: hyperparameters, as in `OwnModel`.
      **details: further attributes of `OwnModel`.

    Raises:
      ValueError: the name is not allowed.
    """

    def make(values: Mapping[str, Any], image_shape: tuple[int, int, int], classes: int) -> Model:
        from swath.models.keras_model import KerasModel  # loads TensorFlow

        channels, rows, columns = image_shape
        model: Model = KerasModel(build, (rows, columns, channels), classes, values)
        return model

    found = name or getattr(build, "__name__", "")
    try:
        check_names(found)
    except ValueError as error:
        raise ValueError(f"{error}; give it as name=") from error
    return OwnModel(found, make, fields or {}, source=build, **details)
