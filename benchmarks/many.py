"""Planning 100,000 configurations, and resuming 10,000 that have finished; by this checkout and another one.

The other one's python is named by $SWATH_BEFORE, such as that of a checkout of the commit before a change;
without it, only this one is measured. Sides are measured in turn, each as a whole process.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.many_runs import grid, make_store
from benchmarks.processes import measure

NOW, BEFORE = "now", "before"

PLANNED, RESUMED = 100_000, 10_000

PLAN = "a plan"
RESUME = "a resume with nothing to do"


def many_times(repeats: int, print_line: Callable[[str], None]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Seconds, processor seconds and peak memory of both tasks, by side."""
    pythons = {NOW: sys.executable}
    if other := os.environ.get("SWATH_BEFORE"):
        pythons = {BEFORE: other, **pythons}
    tasks = {
        PLAN: [*grid(PLANNED), "dry_run=true"],
        RESUME: [*grid(RESUMED), "resume=yes", "tracking.postprocess=off"],
    }
    found: dict[str, dict[str, list[dict[str, Any]]]] = {
        task: {side: [] for side in pythons} for task in tasks
    }
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        make_store(folder, RESUMED, print_line)
        for number in range(repeats):
            for task, arguments in tasks.items():
                for side, python in pythons.items():
                    command = [str(Path(python).with_name("swath")), *arguments]
                    measured = measure(command, folder)
                    assert task == PLAN or f"Resume: {RESUMED} already done" in measured.output
                    found[task][side].append(asdict(measured) | {"output": ""})
                    shutil.rmtree(folder / "multirun", ignore_errors=True)
                    print_line(f"{number + 1}: {task}, {side}: {measured.wall_s:.1f} s")
    return found
