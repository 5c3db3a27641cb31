"""Lower limit of a training step: a loop with only its two matrix products and its gather.

It leaves out the mean image, bias, softmax, loss, accuracy and learning rate. The weights stay 0, which does
not change the time of a product.
"""

from collections.abc import Callable
from typing import Any

from swath.models import MODELS, Tensor, tf
from swath.planning import STEPS_IN_FLIGHT
from swath.training import DeviceData
from swath.training.loop import batch_indices

Draw = Callable[[Tensor], Tensor]
"""step -> int32 [batch], indices of the images of that step."""


def drawn_indices(data: DeviceData, batch_size: int) -> Draw:
    """Draw indices in each step, as swath does."""
    return lambda step: batch_indices(tf.constant(0, tf.int64), step, batch_size, len(data.train))


def prepared_indices(data: DeviceData, batch_size: int, steps: int) -> Draw:
    """Draw all indices before the first step; each step reads one row."""
    table = tf.random.stateless_uniform([steps, batch_size], [0, 0], 0, len(data.train), tf.int32)
    return lambda step: table[step]


def compile_limit(data: DeviceData, draw: Draw, lanes: int = 1) -> Callable[[Tensor], Any]:
    """A compiled loop, called with a number of steps.

    indices = draw(step); inputs = float32(gather(uint8 images, indices)), [batch, 3072];
    logits = inputs @ weights, [batch, columns]; weights = inputsᵀ @ logits, [3072, columns].

    The number of columns is that of swath for the same number of lanes: 10 classes each, padded.
    """
    pixels = int(data.train.images.shape[1])
    model = MODELS["softmax_regression"].make({}, pixels, 10)
    columns = int(model.stack([model.init(0)] * lanes)["weights"].shape[1])

    def run_steps(steps: Tensor) -> Tensor:
        def body(done: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
            inputs = tf.cast(tf.gather(data.train.images, draw(done)), tf.float32)
            return done + 1, tf.matmul(inputs, tf.matmul(inputs, weights), transpose_a=True)

        start = (tf.constant(0), tf.zeros([pixels, columns]))
        _, weights = tf.while_loop(
            lambda done, _: done < steps, body, start, parallel_iterations=STEPS_IN_FLIGHT
        )
        return weights

    compiled: Callable[[Tensor], Any] = tf.function(
        run_steps, autograph=False, input_signature=[tf.TensorSpec([], tf.int32)]
    )
    return compiled
