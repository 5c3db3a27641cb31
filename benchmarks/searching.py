"""A halved search of 72 configurations, against all of them, and against Optuna and Ray with TensorFlow 2."""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import CONTENDERS, Measured, measure

STEPS = 5_000

FIRST_STEPS = 125

BATCH_SIZES = (16, 32, 64, 128, 256, 500)

RATES = tuple(f"{10 ** (-8 + (place + 0.5) / 2):.3g}" for place in range(12))
"""Twelve rates between 1e-8 and 1e-2, evenly by their ratio."""

ALL = "all of them, `swath -m`"
HALVED = "halved, `search.first_steps=125 search.confirm=0`"
DEFAULTS = "halved, with the defaults"
RAY = "Ray Tune's ASHA with two workers, TensorFlow 2, MLflow"
RAY_PYTHON = "SWATH_RAY_PYTHON"
"""Names the Python of an environment with `ray[tune]`, TensorFlow and MLflow; without it, Ray is left out."""

OPTUNA = "Optuna's `SuccessiveHalvingPruner`, TensorFlow 2, MLflow"

Times = dict[str, dict[str, list[float]]]
"""`wall_s`, `cpu_s` and `best` (validation accuracy) by side, one for each repeat."""


def search_times(data: Path, repeats: int, peers: int, print_line: Callable[[str], None]) -> Times:
    """Measure each side in turn.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      repeats: number of measurements.
      peers: number of them with Optuna and with Ray, which take minutes.
      print_line: prints a line of progress.
    """
    times: Times = {}
    sizes, rates = ",".join(map(str, BATCH_SIZES)), ",".join(RATES)
    swath = [
        str(Path(sys.executable).parent / "swath"),
        "-m",
        f"data.dir={data}",
        "data.validation_size=5000",
    ]
    swath += [f"batch_size={sizes}", f"learning_rate={rates}", f"max_steps={STEPS}"]
    sides = {
        ALL: swath,
        HALVED: [*swath, f"search.first_steps={FIRST_STEPS}", "search.confirm=0"],
        DEFAULTS: [*swath, "search.halving=true"],
    }
    trials = (str(data / "cifar-10-batches-py"), str(STEPS), str(FIRST_STEPS), sizes, rates)
    sides[OPTUNA] = [sys.executable, str(CONTENDERS / "optuna_halving.py"), *trials]
    if python := os.environ.get(RAY_PYTHON):
        sides[RAY] = [python, str(CONTENDERS / "ray_asha.py"), *trials]
    else:
        print_line(f"  left out: {RAY}, because {RAY_PYTHON} is not set")
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        _in(folder, [*swath, "max_steps=1"])  # the store, the cache of the images, the probes
        for repeat in range(repeats):
            for side, command in sides.items():
                if side in (OPTUNA, RAY) and repeat >= peers:
                    continue
                run = _in(folder, command)
                found = times.setdefault(side, {"wall_s": [], "cpu_s": [], "best": []})
                found["wall_s"].append(run.wall_s)
                found["cpu_s"].append(run.cpu_s)
                found["best"].append(_best(run.output))
                print_line(f"  {side}: {run.wall_s:.1f} s, {run.cpu_s:.1f} s of CPU, {found['best'][-1]}")
    return times


def _best(output: str) -> float:
    """The best validation accuracy, from the screen of a contender."""
    found = re.findall(r"(?:validation|best) (0\.\d+)", output)  # the last one is the answer
    return float(found[-1]) if found else float("nan")


def _in(folder: Path, command: list[str]) -> Measured:
    return measure(command, folder, {"SWATH_POSTPROCESS": "off"})
