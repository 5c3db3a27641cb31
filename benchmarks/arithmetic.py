"""Cost of arithmetic 2: a step of this version beside the same step of the last version with arithmetic 1.

`python -m benchmarks.arithmetic SHAPES` prints CPU milliseconds of a step of the swath that is imported.
`arithmetic_times_ms` runs it with both versions in turn; the former one is taken from the history of git.
CPU time, because other programs may use the machine too.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from swath import training
from swath.datasets import load_dataset
from swath.models import MODELS, tf

FORMER = "60ef412"
"""The last commit with arithmetic 1."""

ROOT = Path(__file__).resolve().parents[1]

SHAPES = ((100, 1), (100, 6), (100, 24), (500, 24))
"""Batch sizes and lanes of softmax regression."""

KERNELS: dict[str, dict[str, str]] = {"native": {}, "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
"""Variables of oneDNN by the name of the kernels that they choose."""

RATE = 1e-6

CALLS = 7
"""Measured calls of a program, of which the median counts."""

Times = dict[str, list[float]]
"""Milliseconds of each repetition, by `kernels arithmetic batch_size lanes`."""


def arithmetic_times_ms(repeats: int) -> Times:
    """CPU milliseconds of one step with both arithmetics and both kinds of kernels, in turn."""
    found: Times = {}
    shapes = json.dumps(SHAPES)
    with tempfile.TemporaryDirectory(prefix="swath-former-") as folder:
        archive = subprocess.run(["git", "archive", FORMER, "src"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        sources = {"1": Path(folder) / "src", "2": ROOT / "src"}
        for repeat in range(repeats):
            for kernels, variables in KERNELS.items():
                for version in sorted(sources, reverse=bool(repeat % 2)):
                    path = os.pathsep.join([str(sources[version]), str(ROOT)])
                    done = subprocess.run(
                        [sys.executable, "-m", "benchmarks.arithmetic", shapes],
                        env={**os.environ, **variables, "PYTHONPATH": path},
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    for shape, milliseconds in json.loads(done.stdout.splitlines()[-1]).items():
                        found.setdefault(f"{kernels} {version} {shape}", []).append(milliseconds)
    return found


def step_ms(shapes: list[tuple[int, int]]) -> dict[str, float]:
    """CPU milliseconds of one step of this process's swath, by `batch_size lanes`."""
    data: Any = training.make_device_data(load_dataset("cifar10"), 0, "mean_image")
    model = MODELS["softmax_regression"].make({}, 3072, 10)
    program: Any = training.compile_program(data, model, training.GradientDescent())
    found = {}
    for batch_size, lanes in shapes:
        steps = max(10, min(400, int(40_000 / (batch_size * (0.5 + 0.15 * lanes)))))
        start = program.pack([program.initial_state(0)] * lanes)
        table: Any = {"scale": np.full((steps, lanes), RATE, np.float32)}
        numbers: tuple[Any, ...] = (batch_size, 0, 0, steps)
        if hasattr(program.run, "get_concrete_function"):  # arithmetic 1
            table = {"learning_rate": tf.fill([lanes], RATE)}
            seed = tf.constant(0, tf.int64)
            numbers = (tf.constant(batch_size), seed, tf.constant(0), tf.constant(steps))
        times = []
        for _ in range(1 + CALLS):  # the first call compiles
            started = time.process_time()
            program.run(start, table, *numbers)[1].losses.numpy()
            times.append((time.process_time() - started) * 1000 / steps)
        found[f"{batch_size} {lanes}"] = statistics.median(times[1:])
    return found


if __name__ == "__main__":
    print(json.dumps(step_ms(json.loads(sys.argv[1]))))
