"""Section of docs/benchmarks.md about whole commands, by this checkout and by earlier ones."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.shell_to_shell import (
    CFG,
    COMPARE,
    GRID,
    HELP,
    HYDRA,
    MANY,
    MISTAKE,
    MLFLOW,
    NOW,
    OF_COMMANDS,
    SINGLE,
    TENSORFLOW,
    TUTORIAL,
)
from benchmarks.table import Found, table

TEXT = """\
## Whole commands, now and before

Processor seconds of each command and its children, medians of measurements that took turns, and in the
last column the peak memory of all its processes, where shared pages count for each. *before 1* is the commit
before sweeps went to many machines, *before 2* the last one before start-up, pictures and the store were
worked on (3ff1e086). `grid` includes its pictures, its report and its model.
"""

TARGETS = {
    (GRID, "before 2"): 0.55,
    (SINGLE, TUTORIAL): 0.30,
    (COMPARE, MLFLOW): 1.0,
    (CFG, HYDRA): 3.0,
    (HELP, HYDRA): 3.0,
    (MISTAKE, HYDRA): 3.0,
}
"""Greatest ratio that was aimed at."""

EACH = {GRID: 72, MANY: 2_000}


def commands_section(found: Found) -> str:
    """Processor seconds by command and side, and ratios."""
    sides = [side for side in found[GRID] if side != NOW]
    rows = []
    for task in OF_COMMANDS:
        now = _median(found[task][NOW], "cpu_s")
        each = f"{1000 * now / EACH[task]:.0f}" if task in EACH else ""
        before = [f"{_median(found[task][side], 'cpu_s'):.2f}" for side in sides]
        ratios = [f"{now / _median(found[task][side], 'cpu_s'):.2f}" for side in sides]
        memory = f"{_median(found[task][NOW], 'family_peak_bytes') / 1e9:.2f}"
        rows.append((task, *before, f"{now:.2f}", *ratios, each, memory))
    heads = ("", *sides, "now", *(f"now / {side}" for side in sides), "ms each", "GB")
    compared = []
    for (task, other), target in TARGETS.items():
        measured = found[other][""] if other in found else found[task].get(other)
        if measured is not None:
            ratio = _median(found[task][NOW], "cpu_s") / _median(measured, "cpu_s")
            compared.append((f"{task} / {other}", f"{ratio:.2f}", f"{target:.2f}"))
    walls = f"{_median(found[SINGLE][NOW], 'wall_s'):.1f} s"
    tensorflow = f"{_median(found[TENSORFLOW][''], 'wall_s'):.1f} s"
    return "\n".join(
        [
            TEXT,
            table(heads, rows),
            "",
            table(("processor time of", "ratio", "target at most"), compared),
            "",
            f"The whole single run takes {walls} of wall time; `python -c 'import tensorflow'` {tensorflow}.",
            "",
        ]
    )


def _median(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    return statistics.median(float(run[key]) for run in runs)
