"""Lanes of the multilayer perceptron: with shared first products, and each by itself in one program.

`python -m benchmarks.networks REPEATS` prints CPU milliseconds of a step as JSON. CPU time, because other
programs may use the machine too.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

import swath.models.mlp
from swath.datasets import load_dataset
from swath.models import MODELS
from swath.training import DeviceData, GradientDescent, compile_program, make_device_data
from swath.training.optimizers import SCALE

RATE = 1e-6

NETWORKS = ((30, 100, 1), (30, 100, 8), (30, 100, 24), (120, 100, 1), (120, 100, 8), (120, 100, 24))
"""Hidden units, batch sizes and lanes."""

UNROLLED = 1
"""Shared columns with which each lane has a first product of its own."""

SHARED = swath.models.mlp.SHARED_COLUMNS

WORK = 100_000
"""Images x lanes x steps of a measurement with 30 units."""

Sides = dict[str, tuple[Callable[[], object], int]]
"""Measured function and its steps, by name."""


def network_times_ms(repeats: int) -> dict[str, list[float]]:
    """CPU milliseconds of one step by `how units batch_size lanes`, measured in turn."""
    data, sides = make_device_data(load_dataset("cifar10"), 0, "mean_image"), Sides()
    for units, batch_size, lanes in NETWORKS:
        steps = max(5, WORK * 30 // (batch_size * lanes * units))
        for name, columns in (("shared", SHARED), ("unrolled", UNROLLED)):
            swath.models.mlp.SHARED_COLUMNS = columns
            run = _step(data, units, batch_size, lanes, steps)
            run()  # traced with this number of columns
            sides[f"{name} {units} {batch_size} {lanes}"] = run, steps
    swath.models.mlp.SHARED_COLUMNS = SHARED
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, (run, steps) in sides.items():
            started = time.process_time()
            run()
            found[name].append((time.process_time() - started) * 1000 / steps)
    return found


def _step(data: DeviceData, units: int, batch_size: int, lanes: int, steps: int) -> Callable[[], object]:
    model = MODELS["mlp"].make({"model.hidden_units": (units,)}, len(data.statistics.shift), 10)
    program = compile_program(data, model, GradientDescent())
    start = program.pack([program.initial_state(0)] * lanes)
    table = {SCALE: np.full((steps, lanes), RATE, np.float32)}
    return lambda: program.run(start, table, batch_size, 0, 0, steps)[1].losses.numpy()


if __name__ == "__main__":
    print(json.dumps(network_times_ms(int(sys.argv[1]))))
