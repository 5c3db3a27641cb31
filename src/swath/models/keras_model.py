"""Keras models as models of swath: weights as named arrays, outputs in a stateless scope."""

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
    begins with `dense`. Others, such as those of frozen layers, are constants that the builder gives.

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
        _check(self._model, image_shape, classes)
        self._states = [variable.value for variable in self._model.non_trainable_variables]
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
        logits, _, _ = _stateless(self._model, weights, self._states, inputs, training=False)
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
            model(np.zeros((1, *self._image_shape), np.float32))
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
    found: list[str] = []
    for variable in model.trainable_variables:
        layer, _, leaf = variable.path.rpartition("/")
        if layer not in layers:
            kind = re.sub(r"_\d+$", "", layer.rpartition("/")[2]) or "layer"
            seen[kind] += 1
            layers[layer] = f"{kind}_{seen[kind]}"
        name = f"{layers[layer]}.{re.sub(r'_[0-9]+$', '', leaf)}"  # Keras counts variables without a name
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def _check(model: Any, image_shape: tuple[int, int, int], classes: int) -> None:
    """Check that training changes nothing but the trainable variables, by their gradients.

    Two random images are computed three times, twice as in training.

    Raises:
      SwathError: it names the layer, where there is one.
    """
    for variable in model.trainable_variables:
        if variable.dtype != "float32":
            raise SwathError(f"Keras variable {variable.path} is {variable.dtype}, expected float32")
        if getattr(variable, "constraint", None) is not None:
            raise SwathError(f"Keras variable {variable.path} has a constraint, which swath does not apply")
    images = tf.constant(np.random.default_rng(0).standard_normal((2, *image_shape)).astype(np.float32))
    trained, trained_state, losses = _called(model, images, training=True)
    again, _, _ = _called(model, images, training=True)
    found, found_state, _ = _called(model, images, training=False)
    for variable, *states in zip(model.non_trainable_variables, trained_state, found_state, strict=True):
        if any(not np.array_equal(variable.numpy(), state.numpy()) for state in states):
            raise SwathError(_state_fault(model, variable))
    if losses:
        raise SwathError("the Keras model adds losses of its own; leave them out: the field l2 is a penalty")
    if not np.array_equal(trained, again):
        raise SwathError("the Keras model draws random numbers; leave out what draws them")
    if not np.array_equal(trained, found):
        raise SwathError("the Keras model computes something else in training; leave out what does")
    if found.shape != (2, classes):
        shape = list(found.shape[1:])
        raise SwathError(f"the Keras model's output is [images, {shape}], expected [images, {classes}]")
    if np.allclose(found.sum(axis=1), 1, atol=1e-4) and (found >= 0).all():
        raise SwathError("the Keras model's outputs add up to 1; expected logits: leave the softmax out")
    if ((found > 0) & (found < 1)).all():
        between = "the Keras model's outputs lie between 0 and 1"
        raise SwathError(f"{between}; expected logits: leave the sigmoid out")


def _called(
    model: Any, images: Tensor, *, training: bool
) -> tuple[NDArray[np.float32], list[Any], list[Any]]:
    """Outputs, states after the call, and losses that layers add."""
    weights, states = (
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    outputs, after, losses = _stateless(model, weights, states, images, training=training)
    return np.asarray(outputs), after, losses


def _stateless(
    model: Any, weights: Sequence[Any], states: Sequence[Any], inputs: Tensor, *, training: bool
) -> tuple[Any, list[Any], list[Any]]:
    """Outputs with these values of the variables, the other variables afterwards, and losses of layers.

    `stateless_call` would leave out the model's own `__call__`, which tells its layers whether it trains.
    """
    import keras

    others = model.non_trainable_variables
    mapping = [*zip(model.trainable_variables, weights, strict=True), *zip(others, states, strict=True)]
    with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
        outputs = model(inputs, training=training)
        losses = list(model.losses)
    current = [scope.get_current_value(variable) for variable in others]
    after = [before if value is None else value for before, value in zip(states, current, strict=True)]
    return outputs, after, losses


def _state_fault(model: Any, variable: Any) -> str:
    """The line about a variable that a call changes."""
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if any(each is variable for each in layer.variables)
    ]
    innermost = layers[-1] if layers else model
    what = f"Keras layer {innermost.name} ({type(innermost).__name__})"
    if "seed_generator" in variable.path:
        return f"{what} draws random numbers; leave it out: the field l2 is a penalty"
    return f"{what} has state that is not trained by gradients ({variable.name}); leave it out, or replace it"
