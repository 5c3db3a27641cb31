"""Times of one training step, of its lower limit, and of lanes trained together.

`python -m benchmarks.steps PART REPEATS` prints the times of a part as JSON. It runs in a separate process,
because swath configures TensorFlow for the whole process and its children.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.limit import compile_limit, drawn_indices, prepared_indices
from swath.datasets import load_dataset
from swath.models import MODELS, tf
from swath.training import (
    PARAMETERS,
    DeviceData,
    GradientDescent,
    Program,
    compile_program,
    make_device_data,
)
from swath.training.optimizers import SCALE

BATCH_SIZE = 100
LEARNING_RATE = 1e-6
STEPS = 500
"""Steps per measurement, enough to make the cost of the program call negligible."""

STEP = "one training step"
LIMIT = "its two products, gather and drawing of indices"
LIMIT_PREPARED = "its two products and gather"
WIDE = 24
WIDE_STEP = f"one training step of {WIDE} lanes"
WIDE_LIMIT = f"the two products and gather of {WIDE} lanes"
WIDE_STEPS = 100

LANES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
BATCH_SIZES = (16, 100, 500)
FIRST_CALL = "the first call of a program, 6 lanes"
OTHER_WIDTH = "the second call, of another width: 24 lanes"
SAME_AGAIN = "the third call, 24 lanes"

LANES_WORK = 200_000
"""Images x lanes x steps of a measurement of lanes."""

Sides = dict[str, Callable[[], object]]


def step_times_ms(repeats: int) -> dict[str, list[float]]:
    """Milliseconds of one step of each side, measured `repeats` times, in turn."""
    data = make_device_data(load_dataset("cifar10"), 0, "mean_image")
    program = _compiled(data)
    prepared = prepared_indices(data, BATCH_SIZE, STEPS)
    steps = {STEP: STEPS, LIMIT: STEPS, LIMIT_PREPARED: STEPS, WIDE_STEP: WIDE_STEPS, WIDE_LIMIT: WIDE_STEPS}
    sides: Sides = {
        STEP: _training(program, BATCH_SIZE, 1, STEPS),
        LIMIT: _limit(compile_limit(data, drawn_indices(data, BATCH_SIZE)), STEPS),
        LIMIT_PREPARED: _limit(compile_limit(data, prepared), STEPS),
        WIDE_STEP: _training(program, BATCH_SIZE, WIDE, WIDE_STEPS),
        WIDE_LIMIT: _limit(compile_limit(data, prepared, WIDE), WIDE_STEPS),
    }
    return _measure_in_turn(sides, steps, repeats)


def lane_times_ms(repeats: int) -> dict[str, list[float]]:
    """Milliseconds of one step by `batch size, lanes`, measured `repeats` times, in turn."""
    data = make_device_data(load_dataset("cifar10"), 0, "mean_image")
    program = _compiled(data)
    sides: Sides = {}
    steps: dict[str, int] = {}
    for batch_size in BATCH_SIZES:
        for lanes in LANES:
            name = f"{batch_size}, {lanes}"
            steps[name] = max(10, LANES_WORK // (batch_size * lanes))
            sides[name] = _training(program, batch_size, lanes, steps[name])
    return _measure_in_turn(sides, steps, repeats)


def first_call_times_ms(repeats: int) -> dict[str, list[float]]:
    """Milliseconds of the first calls of a program for one step: the cost of tracing and compiling."""
    data = make_device_data(load_dataset("cifar10"), 0, "mean_image")
    times: dict[str, list[float]] = {name: [] for name in (FIRST_CALL, OTHER_WIDTH, SAME_AGAIN)}
    for _ in range(repeats):
        program = _compiled(data)  # traced anew
        for name, lanes in ((FIRST_CALL, 6), (OTHER_WIDTH, 24), (SAME_AGAIN, 24)):
            run = _training(program, BATCH_SIZE, lanes, 1)
            started = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - started) * 1000)
    return times


def _measure_in_turn(sides: Sides, steps: dict[str, int], repeats: int) -> dict[str, list[float]]:
    for run in sides.values():  # the first call compiles
        run()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            started = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - started) * 1000 / steps[name])
    return times


def _compiled(data: DeviceData) -> Program:
    """Softmax regression and gradient descent, compiled for ten classes."""
    model = MODELS["softmax_regression"].make({}, len(data.statistics.shift), 10)
    return compile_program(data, model, GradientDescent())


def _training(program: Program, batch_size: int, lanes: int, steps: int) -> Callable[[], object]:
    start = program.pack([program.initial_state(0)] * lanes)
    rates = {SCALE: np.full((steps, lanes), LEARNING_RATE, np.float32)}

    def run() -> object:
        state, metrics = program.run(start, rates, batch_size, 0, 0, steps)
        return state[PARAMETERS]["biases"].numpy(), metrics.correct.numpy(), metrics.losses.numpy()

    return run


def _limit(compiled: Callable[..., object], steps: int) -> Callable[[], object]:
    def run() -> object:
        weights: object = compiled(tf.constant(steps))
        return weights.numpy()  # type: ignore[attr-defined]  # waits for the last step

    return run


if __name__ == "__main__":
    parts = {"steps": step_times_ms, "lanes": lane_times_ms, "compiling": first_call_times_ms}
    measure = parts[sys.argv[1]]
    print(json.dumps(measure(int(sys.argv[2]))))
