"""Optimizers: rules that update the parameters of each lane from gradients.

They consist of products, sums, square roots and divisions, element by element. So the bits of an element do
not depend on where it stands among the lanes. What changes with the step comes from a table that NumPy works
out, because a power within TensorFlow rounds differently at the end of a vector register.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig, computed_values
from swath.models import Tensors, tf
from swath.training.schedules import learning_rates

Table = NDArray[np.float32]
"""A value for each step and lane, float32 [steps, lanes]."""

SCALE = "scale"
"""Table with the factor of the mean loss of each lane before differentiation."""

DECAY = "decay"
"""Table with the factor of the weights that is added to their gradients; absent if no lane has `l2`."""

MOMENTUM = "optimizer.momentum"
"""The field of that name."""


class Optimizer(Protocol):
    """An update rule for the parameters.

    Attributes:
      name: value of `optimizer.name`; part of the keys of compiled programs.
      hyperparameters: fields of a configuration that the rule uses besides the learning rate.
      state: names of the optimizer states; each has the shapes of the parameters and starts at zero.
    """

    name: str
    hyperparameters: tuple[str, ...]
    state: tuple[str, ...]

    def tables(
        self, rates: NDArray[np.float64], values: Mapping[str, NDArray[np.float64]], first_step: int
    ) -> dict[str, NDArray[np.float64]]:
        """What the rule needs at each step: float64 [steps, lanes], by name; `SCALE` is one of them.

        Args:
          rates: learning rates, float64 [steps, lanes].
          values: of each hyperparameter, float64 [lanes].
          first_step: step of the first row; the bias correction of Adam depends on it.
        """

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The updates to subtract from the parameters, and the next state.

        Args:
          gradients: gradients of the scaled mean loss, by parameter name.
          state: optimizer states by state name, then by parameter name.
          values: the row of each table but `SCALE` and `DECAY`, by name, then by parameter name,
            broadcastable to the parameter.
        """


class GradientDescent:
    """Stochastic gradient descent: parameters minus learning_rate times gradient.

    The learning rate scales the loss, not the gradient. This is faster, because the logit
    gradients of a batch are smaller than the gradient of the parameters.
    """

    name = "sgd"
    hyperparameters: tuple[str, ...] = ()
    state: tuple[str, ...] = ()

    def tables(
        self, rates: NDArray[np.float64], values: Mapping[str, NDArray[np.float64]], first_step: int
    ) -> dict[str, NDArray[np.float64]]:
        """The learning rates."""
        return {SCALE: rates}

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The gradients, which already include the learning rate."""
        return gradients, {}


class Momentum:
    """Gradient descent with momentum (Polyak 1964): v = momentum * v + learning_rate * gradient.

    The parameters lose v. As in Keras, v includes the learning rate of its time.
    """

    name = "momentum"
    hyperparameters: tuple[str, ...] = (MOMENTUM,)
    state: tuple[str, ...] = ("velocity",)

    def tables(
        self, rates: NDArray[np.float64], values: Mapping[str, NDArray[np.float64]], first_step: int
    ) -> dict[str, NDArray[np.float64]]:
        """The learning rates, and the momentum at every step."""
        return {SCALE: rates, MOMENTUM: np.broadcast_to(values[MOMENTUM], rates.shape)}

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The velocity after this step."""
        velocity = self._velocity(gradients, state, values)
        return velocity, {"velocity": velocity}

    def _velocity(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> Tensors:
        found: Tensors = tf.nest.map_structure(
            lambda momentum, velocity, gradient: momentum * velocity + gradient,
            values[MOMENTUM],
            state["velocity"],
            gradients,
        )
        return found


class Nesterov(Momentum):
    """Nesterov's momentum (Sutskever et al. 2013): the parameters lose momentum * v + rate * gradient."""

    name = "nesterov"

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """One step further along the velocity after this step."""
        velocity = self._velocity(gradients, state, values)
        updates: Tensors = tf.nest.map_structure(
            lambda momentum, velocity, gradient: momentum * velocity + gradient,
            values[MOMENTUM],
            velocity,
            gradients,
        )
        return updates, {"velocity": velocity}


class Adam:
    """Adam (Kingma and Ba 2015, the form before section 2.1), with the constants of Keras."""

    name = "adam"
    hyperparameters: tuple[str, ...] = ()
    state: tuple[str, ...] = ("first_moment", "second_moment")

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

    def tables(
        self, rates: NDArray[np.float64], values: Mapping[str, NDArray[np.float64]], first_step: int
    ) -> dict[str, NDArray[np.float64]]:
        """Ones, and the learning rates with the correction of both moments for their start at zero."""
        step = np.arange(first_step + 1, first_step + 1 + len(rates), dtype=np.float64)[:, np.newaxis]
        correction = np.sqrt(1 - self.BETA_2**step) / (1 - self.BETA_1**step)
        return {SCALE: np.ones_like(rates), "rate": rates * correction}

    def update(
        self, gradients: Tensors, state: Mapping[str, Tensors], values: Mapping[str, Tensors]
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The first moment divided by the root of the second, times the rate."""
        each = tf.nest.map_structure
        first = each(
            lambda moment, gradient: self.BETA_1 * moment + (1 - self.BETA_1) * gradient,
            state["first_moment"],
            gradients,
        )
        second = each(
            lambda moment, gradient: self.BETA_2 * moment + (1 - self.BETA_2) * tf.square(gradient),
            state["second_moment"],
            gradients,
        )
        updates: Tensors = each(
            lambda rate, first, second: rate * first / (tf.sqrt(second) + self.EPSILON),
            values["rate"],
            first,
            second,
        )
        return updates, {"first_moment": first, "second_moment": second}


OPTIMIZERS: dict[str, Optimizer] = {
    optimizer.name: optimizer for optimizer in (GradientDescent(), Momentum(), Nesterov(), Adam())
}
"""All optimizers, by the value of `optimizer.name`."""


def optimizer_of(config: TrainConfig) -> Optimizer:
    """The optimizer of a configuration; the same for all that share a program."""
    return OPTIMIZERS[config.optimizer.name]


def tables_of(
    optimizer: Optimizer, configs: Sequence[TrainConfig], first_step: int, steps: int
) -> dict[str, Table]:
    """The tables of a segment, for one configuration per lane: float32 [steps, lanes], by name.

    Each value is computed in float64, from the float32 of each field that the fingerprint counts, and
    rounded once.
    """
    rates = np.stack([learning_rates(config, first_step, steps) for config in configs], axis=1)
    fields = [computed_values(config) for config in configs]
    values = {
        name: np.array([each[name] for each in fields], np.float32).astype(np.float64)
        for name in optimizer.hyperparameters
    }
    tables = optimizer.tables(rates, values, first_step)
    penalties = np.array([config.l2 for config in configs], np.float32).astype(np.float64)
    if penalties.any():
        tables[DECAY] = tables[SCALE] * penalties
    return {name: table.astype(np.float32) for name, table in tables.items()}
