"""Checks in a few steps whether lanes trained together are bit-identical to lanes trained alone."""

import numpy as np

from swath.training.evaluation import DeviceData, Evaluate, Split
from swath.training.program import PARAMETERS, Program

STEPS = 6
"""Steps of the check."""

RATES = (1e-6, 3e-5)
"""Alternating learning rates of the lanes: one converges, one oscillates."""


def is_bit_exact(program: Program, evaluate: Evaluate, data: DeviceData, batch_size: int, lanes: int) -> bool:
    """Whether each of `lanes` lanes is bit-identical to the same lane trained alone.

    Compares train states, losses and accuracies of each step, and the prediction and loss of each test image.
    """
    alone = [_lane_bytes(program, evaluate, data.test, batch_size, [rate])[0] for rate in RATES]
    together = _lane_bytes(
        program, evaluate, data.test, batch_size, [RATES[lane % 2] for lane in range(lanes)]
    )
    return all(found == alone[lane % 2] for lane, found in enumerate(together))


def _lane_bytes(
    program: Program, evaluate: Evaluate, split: Split, batch_size: int, rates: list[float]
) -> list[bytes]:
    """All results of each lane, as bytes."""
    values = dict.fromkeys(program.optimizer.hyperparameters, np.full(len(rates), 0.5))
    tables = program.optimizer.tables(np.tile(rates, (STEPS, 1)), values, 0)
    state, metrics = program.run(
        program.pack([program.initial_state(0)] * len(rates)),
        {name: table.astype(np.float32) for name, table in tables.items()},
        batch_size,
        0,
        0,
        STEPS,
    )
    scores = evaluate(state[PARAMETERS], len(rates), split)
    per_lane = [
        metrics.correct.numpy(),
        metrics.losses.numpy(),
        scores.predictions,
        scores.image_losses,
    ]
    found = []
    for lane in range(len(rates)):
        parts = [*program.unpack(state, lane).values(), *(array[:, lane] for array in per_lane)]
        found.append(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    return found
