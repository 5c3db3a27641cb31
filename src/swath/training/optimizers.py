"""Optimizers: how gradients change the parameters of each lane."""

from collections.abc import Mapping
from typing import Protocol

from swath.models import Tensor, Tensors
from swath.tracking import schema


class Optimizer(Protocol):
    """An update rule, in optax's two functions: an initial state, and a step from gradients.

    Attributes:
      name: in keys of compiled programs.
      hyperparameters: fields of a configuration that the rule reads; lanes may differ in them.
      state: names of its states; each has the arrays of the parameters, and starts at zero.
    """

    name: str
    hyperparameters: tuple[str, ...]
    state: tuple[str, ...]

    def loss_scale(self, values: Mapping[str, Tensor]) -> Tensor:
        """The factor of each lane's mean loss before it is differentiated, float32 [lanes].

        Args:
          values: of each hyperparameter, float32 [lanes].
        """

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """What is subtracted from the parameters, and the next state.

        Args:
          gradients: of the scaled mean loss, by name of the parameter.
          state: by name of the state, then of the parameter.
          values: of each hyperparameter, by name of the parameter, broadcastable against it.
        """


class GradientDescent:
    """Plain gradient descent: parameters less learning_rate times gradient.

    The learning rate scales the loss: the errors of a batch are smaller than the gradient, so this is faster
    than scaling the gradient.
    """

    name = "gradient_descent"
    hyperparameters: tuple[str, ...] = (schema.LEARNING_RATE,)
    state: tuple[str, ...] = ()

    def loss_scale(self, values: Mapping[str, Tensor]) -> Tensor:
        """The learning rate of each lane."""
        return values[schema.LEARNING_RATE]

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The gradients themselves, which carry the learning rate already."""
        return gradients, {}
