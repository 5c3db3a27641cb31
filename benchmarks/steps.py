"""The time of one training step, beside that of its lower limit.

`python -m benchmarks.steps REPEATS` prints the times as JSON. A process of its own, because swath sets
TensorFlow up for all that runs in the process and in its children.
"""

import json
import sys
import time
from collections.abc import Callable

from benchmarks.limit import compile_limit, drawn_indices, prepared_indices
from swath.compute import tf
from swath.data import load_dataset
from swath.model import initial_parameters
from swath.training.program import compile_program
from swath.training.resident import ResidentData, make_resident

BATCH_SIZE = 100
LEARNING_RATE = 1e-6
STEPS = 500
"""Steps per measurement: long enough that the call of the program is no part of the figure."""

STEP = "one training step"
LIMIT = "its two products, gather and drawing of indices"
LIMIT_PREPARED = "its two products and gather"


def step_times_ms(repeats: int) -> dict[str, list[float]]:
    """Milliseconds of one step of each side, `repeats` times, the sides taking turns."""
    data = make_resident(load_dataset("cifar10"), 0, "mean_image")
    sides: dict[str, Callable[[], object]] = {
        STEP: _training(data),
        LIMIT: _limit(compile_limit(data, BATCH_SIZE, drawn_indices(data, BATCH_SIZE))),
        LIMIT_PREPARED: _limit(compile_limit(data, BATCH_SIZE, prepared_indices(data, BATCH_SIZE, STEPS))),
    }
    for run in sides.values():  # the first call compiles
        run()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            started = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - started) * 1000 / STEPS)
    return times


def _training(data: ResidentData) -> Callable[[], object]:
    program = compile_program(data)
    start = initial_parameters(1, data.train.images.shape[1])
    rates, seed = tf.constant([LEARNING_RATE]), tf.constant(0, tf.int64)

    def run() -> object:
        parameters, metrics = program(
            start, rates, tf.constant(BATCH_SIZE), seed, tf.constant(0), tf.constant(STEPS)
        )
        return parameters.weights.numpy(), metrics.correct.numpy(), metrics.losses.numpy()

    return run


def _limit(compiled: Callable[..., object]) -> Callable[[], object]:
    def run() -> object:
        weights: object = compiled(tf.constant(STEPS))
        return weights.numpy()  # type: ignore[attr-defined]  # waits for the last step

    return run


if __name__ == "__main__":
    print(json.dumps(step_times_ms(int(sys.argv[1]))))
