"""`python -m benchmarks [PART ...]`: measures, and writes docs/benchmarks.md with its figures.

CIFAR-10 is read from $SWATH_DATA_DIR, a folder that contains `cifar-10-batches-py/`. Measurements are stored
in docs/benchmarks.json; parts that are not named keep their values.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.arithmetic import arithmetic_times_ms
from benchmarks.figures import draw_all
from benchmarks.grid import count_times, grid_times
from benchmarks.growth import growth
from benchmarks.many import many_times
from benchmarks.network_sweep import network_sweep_times
from benchmarks.processes import process_times
from benchmarks.report import machine, report
from benchmarks.search_worth import search_worth
from benchmarks.searching import search_times
from benchmarks.shell_to_shell import command_times
from benchmarks.where import where_times

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
KEPT = DOCS / "benchmarks.json"

STEP_REPEATS = 25
LANE_REPEATS = 5
PROCESS_REPEATS = 7
GRID_REPEATS = 3
COMMAND_REPEATS = 5
JOBS = 1_000
COUNTS = (1, 4, 24, 100, 500, 2000)

print_line = partial(print, flush=True)


def steps(data: Path) -> Any:
    """One training step and its lower limit."""
    return _in_a_process("benchmarks.steps", "steps", str(STEP_REPEATS))


def lanes(data: Path) -> Any:
    """A step by the number of lanes."""
    return _in_a_process("benchmarks.steps", "lanes", str(LANE_REPEATS))


def compiling(data: Path) -> Any:
    """The first calls of a compiled program."""
    return _in_a_process("benchmarks.steps", "compiling", str(LANE_REPEATS))


def jobs(data: Path) -> Any:
    """Cost of a job besides its training."""
    return _in_a_process("benchmarks.jobs", str(JOBS))


def processes(data: Path) -> Any:
    """The article's run."""
    measured = process_times(data, PROCESS_REPEATS)
    return {side: [asdict(run) | {"output": ""} for run in runs] for side, runs in measured.items()}


def grid(data: Path) -> Any:
    """Contenders over the sweep `grid`."""
    seconds, peak = grid_times(data, GRID_REPEATS, print_line)
    return {"seconds": seconds, "peak": peak}


def counts(data: Path) -> Any:
    """Whole processes by the number of configurations."""
    return count_times(data, COUNTS, print_line)


def where(data: Path) -> Any:
    """Processor seconds by part and number of configurations."""
    return where_times(data, GRID_REPEATS, print_line)


def commands(data: Path) -> Any:
    """Whole commands; $SWATH_BEFORE names the pythons of other checkouts."""
    return command_times(data, COMMAND_REPEATS, print_line)


def growing(data: Path) -> Any:
    """What a configuration costs by their number; $SWATH_PEERS names a Python with the others."""
    return growth(data, print_line)


def comparing(data: Path) -> Any:
    """Reading a large store."""
    return _in_a_process("benchmarks.comparing", str(PROCESS_REPEATS))


def checkpoints(data: Path) -> Any:
    """Cost of checkpoints."""
    return _in_a_process("benchmarks.checkpoints", str(data), str(GRID_REPEATS))


def storing(data: Path) -> Any:
    """Storing per-step values directly, and by MLflow's own calls."""
    return _in_a_process("benchmarks.storing", str(PROCESS_REPEATS))


def arithmetic(data: Path) -> Any:
    """A step with both arithmetics and both kinds of kernels."""
    return arithmetic_times_ms(GRID_REPEATS)


def networks(data: Path) -> Any:
    """Lanes of the multilayer perceptron."""
    return _in_a_process("benchmarks.networks", str(LANE_REPEATS))


def unrolled(data: Path) -> Any:
    """Lanes of a convolutional network and of a Keras model, each with operations of its own."""
    return _in_a_process("benchmarks.unrolled", str(LANE_REPEATS))


def network_sweep(data: Path) -> Any:
    """A sweep of 24 multilayer perceptrons, everything tracked."""
    return network_sweep_times(data, GRID_REPEATS, print_line)


def searching(data: Path) -> Any:
    """A halved search against all configurations, and against Optuna's halving."""
    return search_times(data, GRID_REPEATS, 1, print_line)


def worth(data: Path) -> Any:
    """What a search finds, against random search and a grid, and its regret."""
    return search_worth(data, print_line)


def many(data: Path) -> Any:
    """Planning and resuming many configurations; $SWATH_BEFORE names the python of another checkout."""
    return many_times(GRID_REPEATS, print_line)


PARTS: dict[str, Callable[[Path], Any]] = {
    function.__name__: function
    for function in (
        steps,
        lanes,
        compiling,
        jobs,
        processes,
        grid,
        counts,
        where,
        commands,
        growing,
        comparing,
        checkpoints,
        storing,
        arithmetic,
        networks,
        unrolled,
        network_sweep,
        searching,
        worth,
        many,
    )
}


def main(names: list[str]) -> int:
    """Measure the named parts, or all of them; returns the exit status."""
    data = os.environ.get("SWATH_DATA_DIR")
    if data is None or not (Path(data) / "cifar-10-batches-py").is_dir():
        print("set SWATH_DATA_DIR to the folder that contains cifar-10-batches-py", file=sys.stderr)
        return 2
    if unknown := set(names) - set(PARTS):
        print(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    found = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    for name in names or PARTS:
        print_line(f"Measuring {name}: {PARTS[name].__doc__}")
        found[name] = PARTS[name](Path(data))
        found["machine"] = machine()
        KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(report(found), encoding="utf-8")
    draw_all(found, DOCS)
    return 0


def _in_a_process(module: str, *arguments: str) -> Any:
    return json.loads(_run([sys.executable, "-m", module, *arguments], cwd=ROOT, env=os.environ))


def _run(command: list[str], cwd: Path, env: Any) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
