"""Keras models as models of swath: weights as named arrays, outputs by `stateless_call`."""

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.models.backend import tf
from swath.models.model import Arrays, Tensor

Build = Callable[..., Any]
"""(image shape as (rows, columns, channels), number of classes, fields of the model by name) -> Keras model
whose outputs are logits."""

_building = threading.Lock()


class KerasModel:
    """A `Model` whose losses are the cross-entropies of a Keras model's outputs.

    Its arrays are the trainable variables: `dense_1.kernel` is the kernel of the first layer whose name
    begins with `dense`.

    Args:
      build: creates the Keras model.
      image_shape: rows, columns, channels.
      classes: number of classes.
      fields: fields of the model, by name.

    Raises:
      SwathError: training would change the model by something else than its gradients, or its outputs are no
        logits.
    """

    layout = "images"

    def __init__(
        self, build: Build, image_shape: tuple[int, int, int], classes: int, fields: Mapping[str, Any]
    ) -> None:
        self._build = build
        self._image_shape = image_shape
        self._classes = classes
        self._fields = fields
        self._model = self._built(0)
        _check(self._model, classes)
        self._names = _array_names(self._model)
        self.penalized = tuple(
            name
            for name, variable in zip(self._names, self._model.trainable_variables, strict=True)
            if len(variable.shape) > 1
        )

    def init(self, seed: int) -> Arrays:
        """The initial weights of a Keras model that is built with this seed."""
        variables = self._built(seed).trainable_variables
        return {name: _array(variable) for name, variable in zip(self._names, variables, strict=True)}

    def losses(
        self, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Model`."""
        weights = [parameters[name] for name in self._names]
        logits, _ = self._model.stateless_call(weights, [], inputs, training=False)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits

    def _built(self, seed: int) -> Any:
        """A new Keras model.

        Keras draws the seed of an initializer that has none from Python's generator; functions of a user may
        use NumPy's. Both are put back, so that a program's own random numbers stay as they are.
        """
        import keras

        if keras.backend.backend() != "tensorflow":
            found = keras.backend.backend()
            raise SwathError(f"Keras uses {found}; set KERAS_BACKEND=tensorflow in the environment")
        with _building:
            python, legacy = random.getstate(), np.random.get_state()
            try:
                random.seed(seed)
                np.random.seed(seed % 2**32)
                model = self._build(self._image_shape, self._classes, **self._fields)
            finally:
                random.setstate(python)
                np.random.set_state(legacy)
        if not isinstance(model, keras.Model):
            raise SwathError(f"{_named(self._build)} returns {type(model).__name__}, expected a keras.Model")
        if not model.built:
            model.build((None, *self._image_shape))
        return model


def _named(build: Build) -> str:
    return str(getattr(build, "__name__", type(build).__name__))


def _array(variable: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = variable.numpy()
    return array


def _array_names(model: Any) -> list[str]:
    """A name for each trainable variable that does not depend on how many models were built before."""
    seen: Counter[str] = Counter()
    layers: dict[str, str] = {}
    found = []
    for variable in model.trainable_variables:
        layer, _, leaf = variable.path.rpartition("/")
        if layer not in layers:
            kind = re.sub(r"_\d+$", "", layer.rpartition("/")[2]) or "layer"
            seen[kind] += 1
            layers[layer] = f"{kind}_{seen[kind]}"
        found.append(f"{layers[layer]}.{leaf}")
    return found


def _check(model: Any, classes: int) -> None:
    """Check that training changes nothing but the trainable variables, by their gradients.

    Raises:
      SwathError: it names the layer.
    """
    import keras

    leaves = [layer for layer in model._flatten_layers(include_self=False) if not list(layer._layers)]
    for layer in leaves:
        what = f"Keras layer {layer.name} ({type(layer).__name__})"
        names = ", ".join(variable.name for variable in layer.non_trainable_variables)
        if "seed_generator" in names:
            raise SwathError(f"{what} draws random numbers; leave it out: the field l2 is a penalty")
        if names:
            raise SwathError(
                f"{what} has state that is not trained by gradients ({names}); leave it out, or replace it"
            )
        if layer.losses or any(getattr(layer, name, None) for name in _REGULARIZERS):
            raise SwathError(f"{what} adds a loss of its own; leave it out: the field l2 is the penalty")
    if model.non_trainable_variables:
        raise SwathError("the Keras model has state that is not trained by gradients; leave it out")
    for variable in model.trainable_variables:
        if variable.dtype != "float32":
            raise SwathError(f"Keras variable {variable.path} is {variable.dtype}, expected float32")
    if tuple(model.output_shape) != (None, classes):
        raise SwathError(f"the Keras model's output is {model.output_shape}, expected (None, {classes})")
    last = model.layers[-1]
    if getattr(last, "activation", None) is keras.activations.softmax or isinstance(
        last, keras.layers.Softmax
    ):
        raise SwathError(f"Keras layer {last.name} is a softmax; expected logits: leave the softmax out")


_REGULARIZERS = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
