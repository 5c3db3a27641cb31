"""Lower limit of a training step: a loop with only its two matrix products and its gather.

It leaves out the mean image, bias, softmax, loss, accuracy and learning rate. The weights stay 0, which does
not change the time of a product.
"""

from collections.abc import Callable
from typing import Any

from swath.models import MODELS, Tensor, tf
from swath.models.arithmetic import forward_product, gradient_product
from swath.planning import STEPS_IN_FLIGHT
from swath.training import DeviceData
from swath.training.draws import batch_indices

Draw = Callable[[Tensor], Tensor]
"""step -> int32 [batch], indices of the images of that step."""


def drawn_indices(data: DeviceData, batch_size: int) -> Draw:
    """Draw indices in each step, as swath does."""
    return lambda step: batch_indices(tf.constant(0, tf.int64), step, batch_size, data.train_images)


def prepared_indices(data: DeviceData, batch_size: int, steps: int) -> Draw:
    """Draw all indices before the first step; each step reads one row."""
    table = tf.random.stateless_uniform([steps, batch_size], [0, 0], 0, data.train_images, tf.int32)
    return lambda step: table[step]


def compile_limit(data: DeviceData, draw: Draw, lanes: int = 1) -> Callable[[Tensor], Any]:
    """A compiled loop, called with a number of steps.

    indices = draw(step); inputs = float32(gather(uint8 images, indices)), 12 blocks of [batch, 256];
    logits = inputs @ weights, [batch, columns]; weights = inputsᵀ @ logits, 12 blocks of [256, columns].

    The number of columns is that of swath for the same number of lanes: 10 classes each, padded.
    """
    model = MODELS["softmax_regression"].make({}, len(data.statistics.shift), 10)
    start = model.stack([model.init(0)] * lanes)["weights"]

    def run_steps(steps: Tensor) -> Tensor:
        def body(done: Tensor, weights: Any) -> tuple[Tensor, Any]:
            images = tf.transpose(tf.gather(data.train.images, draw(done)), [1, 0, 2])
            pixels = tf.unstack(tf.cast(images, tf.float32))
            return done + 1, tuple(gradient_product(pixels, forward_product(pixels, weights)))

        _, weights = tf.while_loop(
            lambda done, _: done < steps, body, (tf.constant(0), start), parallel_iterations=STEPS_IN_FLIGHT
        )
        return weights[-1]

    compiled: Callable[[Tensor], Any] = tf.function(
        run_steps, autograph=False, input_signature=[tf.TensorSpec([], tf.int32)]
    )
    return compiled
