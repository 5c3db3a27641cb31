"""Whole commands by this checkout and by others, in turn: processor time, wall time and memory.

`$SWATH_BEFORE` names the pythons of the others, such as those of checkouts of earlier commits, separated like
`$PATH`. Each side has a folder of its own with a store and its own cache.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.growth import rates
from benchmarks.processes import CONTENDERS, measure

NOW = "now"

GRID = "`grid`"
SINGLE = "a single run"
MANY = "2,000 configurations of 100 steps"
COMPARE = "`swath-compare` of `grid`"
CFG = "`swath --cfg job`"
HELP = "`swath --help`"
MISTAKE = "a mistake in the configuration"

TUTORIAL = "the tutorial's script, once"
TENSORFLOW = "`import tensorflow`"
MLFLOW = "`import mlflow`"
HYDRA = "`import hydra`"

OF_COMMANDS = {
    GRID: ("swath", "-cn", "grid"),
    SINGLE: ("swath",),
    MANY: ("swath", "-m", "max_steps=100", f"learning_rate={rates(2_000)}"),
    COMPARE: ("swath-compare", "grid"),
    CFG: ("swath", "--cfg", "job"),
    HELP: ("swath", "--help"),
    MISTAKE: ("swath", "batch_size=-1"),
}

SELDOM = (MANY,)
"""Measured once: it takes minutes."""

Measurements = dict[str, dict[str, list[dict[str, Any]]]]
"""Measurements by task and side; `others` by task and an empty side."""


def command_times(data: Path, repeats: int, print_line: Callable[[str], None]) -> Measurements:
    """Measure every command by every side, in turn, and what they are compared with.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      repeats: number of measurements.
      print_line: prints a line of progress.
    """
    others = [path for path in os.environ.get("SWATH_BEFORE", "").split(os.pathsep) if path]
    pythons = {f"before {number + 1}": path for number, path in enumerate(others)} | {NOW: sys.executable}
    tutorial = [str(CONTENDERS / "tutorial.py"), str(data / "cifar-10-batches-py"), "100", "1e-6", "1000"]
    compared = {
        TUTORIAL: [sys.executable, *tutorial],
        TENSORFLOW: [sys.executable, "-c", "import tensorflow"],
        MLFLOW: [sys.executable, "-c", "import mlflow"],
        HYDRA: [sys.executable, "-c", "import hydra"],
    }
    found: Measurements = {}

    def record(task: str, side: str, command: list[str], folder: Path) -> None:
        variables = {"SWATH_CACHE_DIR": str(folder / "cache"), "SWATH_DATA_DIR": str(data)}
        measured = measure(command, folder, variables, may_fail=task == MISTAKE)
        found.setdefault(task, {}).setdefault(side, []).append(asdict(measured) | {"output": ""})
        print_line(f"  {task}, {side}: {measured.cpu_s:.2f} s of a processor, {measured.wall_s:.2f} s")

    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folders = {side: Path(name) / side.replace(" ", "-") for side in ("", *pythons)}
        for side, folder in folders.items():
            folder.mkdir(exist_ok=True)
            if side:  # the store, the caches, the widths
                swath = str(Path(pythons[side]).with_name("swath"))
                variables = {"SWATH_CACHE_DIR": str(folder / "cache"), "SWATH_DATA_DIR": str(data)}
                measure([swath, "-cn", "grid", "max_steps=1"], folder, variables)
        for number in range(repeats):
            for task, arguments in OF_COMMANDS.items():
                for side, python in pythons.items() if number == 0 or task not in SELDOM else ():
                    command = [str(Path(python).with_name(arguments[0])), *arguments[1:]]
                    record(task, side, command, folders[side])
            for task, command in compared.items():
                record(task, "", command, folders[""])
    return found
