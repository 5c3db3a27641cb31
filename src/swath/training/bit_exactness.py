"""Whether lanes keep their bits in company, found out by training a few steps both ways on this machine."""

import numpy as np

from swath.models import CLASSES, initial_parameters, tf
from swath.training.device_data import ResidentData, Split
from swath.training.evaluation import BLOCK_IMAGES, Evaluate
from swath.training.loop import Program

STEPS = 6


RATES = (1e-6, 3e-5)
"""Two configurations, one that learns and one that jumps about; they take turns as neighbours."""


def is_bit_exact(
    program: Program, evaluate: Evaluate, data: ResidentData, batch_size: int, lanes: int
) -> bool:
    """Whether each of `lanes` lanes has, in every place, the bits that it has alone.

    Weights, biases, losses, accuracies, and the evaluation of a block of test images, compared as bytes.
    """
    block = Split(data.test.images[:BLOCK_IMAGES], data.test.labels[:BLOCK_IMAGES])
    alone = [_bits(program, evaluate, block, batch_size, [rate])[0] for rate in RATES]
    together = _bits(program, evaluate, block, batch_size, [RATES[lane % 2] for lane in range(lanes)])
    return all(bits == alone[lane % 2] for lane, bits in enumerate(together))


def _bits(
    program: Program, evaluate: Evaluate, block: Split, batch_size: int, rates: list[float]
) -> list[bytes]:
    """Everything that each lane computes, as bytes."""
    pixels = block.images.shape[1]
    parameters, metrics = program(
        initial_parameters(len(rates), pixels),
        tf.constant(rates, tf.float32),
        tf.constant(batch_size),
        tf.constant(0, tf.int64),
        tf.constant(0),
        tf.constant(STEPS),
    )
    scores = evaluate(parameters, len(rates), block)
    weights, biases = parameters.weights.numpy(), parameters.biases.numpy()
    per_lane = [
        metrics.correct.numpy(),
        metrics.losses.numpy(),
        scores.predictions,
        scores.losses[np.newaxis],
    ]
    bits = []
    for lane in range(len(rates)):
        columns = slice(CLASSES * lane, CLASSES * (lane + 1))
        parts = [weights[:, columns], biases[columns], *(array[:, lane] for array in per_lane)]
        bits.append(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    return bits
