"""The compiled loop: steps of a lane group, without coming back to Python in between."""

from collections.abc import Callable
from typing import Any, NamedTuple

from swath.compute import tf
from swath.model import (
    Parameters,
    Tensor,
    apply,
    batch_shape,
    correct_counts,
    inputs_of,
    per_column,
    sum_over_batch,
    updated,
)
from swath.training.resident import ResidentData

STEPS_IN_FLIGHT = 4
"""Steps whose batches may be drawn and converted ahead, by another core, while the matrix products of an
earlier step are computed. The order of the updates is fixed by the weights; the bits do not change."""


class StepMetrics(NamedTuple):
    """What each step of a segment says, before its update.

    Attributes:
      correct: int32 [steps, lanes], images of the batch that were classified correctly.
      losses: float32 [steps, lanes], mean cross-entropy of the batch.
    """

    correct: Tensor
    losses: Tensor


Program = Callable[..., tuple[Parameters, StepMetrics]]
"""(parameters, learning_rates [lanes], batch_size, seed, first_step, steps) -> (parameters, metrics)."""


def batch_indices(seed: Tensor, step: Tensor, batch_size: Tensor, images: Tensor) -> Tensor:
    """The images of one step: int32 [batch], drawn uniformly with replacement from 0..images-1.

    A counter-based generator (Philox; Salmon et al. 2011) keyed by (seed, step): a step's batch depends on
    nothing that happened before it.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([batch_size], key, 0, images, tf.int32, alg="philox")


def compile_program(data: ResidentData) -> Program:
    """A compiled loop over steps, for any batch size and any number of lanes.

    Args:
      data: what is trained on; held by the program.
    """

    def run_steps(
        parameters: Parameters,
        learning_rates: Tensor,
        batch_size: Tensor,
        seed: Tensor,
        first_step: Tensor,
        steps: Tensor,
    ) -> tuple[Parameters, StepMetrics]:
        shape = batch_shape(batch_size, tf.shape(learning_rates)[0])
        images = tf.cast(batch_size, tf.float32)
        rates_per_image = per_column(learning_rates, shape) / images

        def body(done: Tensor, parameters: Parameters, correct: Any, losses: Any) -> Any:
            chosen = batch_indices(seed, first_step + done, batch_size, len(data.train))
            inputs = inputs_of(tf.gather(data.train.images, chosen), data.shift, data.scale)
            labels = tf.gather(data.train.labels, chosen)
            result = apply(parameters, inputs, labels, shape)
            return (
                done + 1,
                updated(parameters, inputs, result.errors, rates_per_image, shape),
                correct.write(done, correct_counts(result.predictions, labels)),
                losses.write(done, sum_over_batch(result.losses, shape.lane_padding, shape) / images),
            )

        start = (
            tf.constant(0),
            parameters,
            tf.TensorArray(tf.int32, steps, element_shape=[None]),
            tf.TensorArray(tf.float32, steps, element_shape=[None]),
        )
        _, parameters, correct, losses = tf.while_loop(
            lambda done, *_: done < steps, body, start, parallel_iterations=STEPS_IN_FLIGHT
        )
        return parameters, StepMetrics(correct.stack(), losses.stack())

    # No jit_compile: XLA orders sums by shape, so the number of lanes would change the bits.
    compiled: Program = tf.function(
        run_steps,
        autograph=False,
        input_signature=[
            Parameters(tf.TensorSpec([data.train.images.shape[1], None]), tf.TensorSpec([None])),
            tf.TensorSpec([None]),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ],
    )
    return compiled
