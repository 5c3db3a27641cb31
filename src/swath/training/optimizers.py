"""Optimizers: rules that update the parameters of each lane from gradients."""

from collections.abc import Mapping
from typing import Protocol

from swath.config import TrainConfig
from swath.models import Tensor, Tensors
from swath.tracking import schema


class Optimizer(Protocol):
    """An update rule for the parameters.

    Attributes:
      name: part of the keys of compiled programs.
      hyperparameters: fields of a configuration that the rule uses; lanes may differ in them.
      state: names of the optimizer states; each has the shapes of the parameters and starts at zero.
    """

    name: str
    hyperparameters: tuple[str, ...]
    state: tuple[str, ...]

    def loss_scale(self, values: Mapping[str, Tensor]) -> Tensor:
        """Factor of the mean loss of each lane before differentiation, float32 [lanes].

        Args:
          values: value of each hyperparameter, float32 [lanes].
        """

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The updates to subtract from the parameters, and the next state.

        Args:
          gradients: gradients of the scaled mean loss, by parameter name.
          state: optimizer states by state name, then by parameter name.
          values: hyperparameter values by name, then by parameter name, broadcastable to the parameter.
        """


class GradientDescent:
    """Plain stochastic gradient descent: parameters minus learning_rate times gradient.

    The learning rate scales the loss, not the gradient. This is faster, because the logit
    gradients of a batch are smaller than the gradient of the parameters.
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
        """The gradients, which already include the learning rate."""
        return gradients, {}


def optimizer_of(config: TrainConfig) -> Optimizer:
    """The optimizer of a configuration; the same for all that share a program."""
    return GradientDescent()
