"""Sections of docs/benchmarks.md about whole processes, one section per part."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.grid import (
    BASIC,
    KERAS,
    LOG_BATCH,
    LOG_METRIC,
    SAMPLE_STEPS,
    SWATH,
    SWATH_24,
    TUTORIAL,
    TUTORIAL_24,
    UNTRACKED,
)
from benchmarks.processes import EMPTY, WITH_STORE
from benchmarks.processes import TUTORIAL as TUTORIAL_ONCE
from benchmarks.storing import RUNS as STORED_RUNS
from benchmarks.storing import STEPS as STORED_STEPS
from benchmarks.table import Found, spread, table
from benchmarks.where import PROCESSES

GRID = """\
## A grid of 72 configurations

The sweep `grid`: six batch sizes, six learning rates, 500 and 1,500 steps, CIFAR-10 with 5,000 images held
back; 72,000 steps, 144,000 per-step values. Times are those of whole processes. Contenders 2 to 4 and 6
store every step's accuracy and loss and the weights in MLflow's SQLite store; 1 and 5 track nothing.
Contenders 1 to 3 trained three configurations (batches of 16, 100 and 150), and their times were scaled up: 1
by the number of processes, 2 and 3 by the number of steps, from runs of {sample_steps} steps minus runs of
one step. Their start-up, Hydra and evaluations are counted for three runs only, in their favour. Scripts:
`benchmarks/contenders/`.

![Seconds of each contender](contenders.png)
"""

STORING = f"""\
## Storing the steps

Accuracy and loss of {STORED_STEPS:,} steps of {STORED_RUNS} runs in a new SQLite store, in one process that
does nothing else. With a version of MLflow that was not tested, swath stores steps by MLflow's own calls.
"""

WHERE = """\
## Where the processor's time goes

Processor seconds of each part of whole commands, by the number of configurations: the article's run, twelve
of 1,000 steps, the sweep `grid`, and a thousand of 100 steps. Each part is timed by the clock of the thread
that runs it (`benchmarks/probe/`), so waiting costs nothing. Medians.
"""


def grid_section(grid: Found) -> str:
    """Contenders over the sweep `grid`."""
    seconds, peak = grid["seconds"], grid["peak"]
    median = {side: statistics.median(values) for side, values in seconds.items()}
    targets = {TUTORIAL: "40", LOG_METRIC: "25", LOG_BATCH: "8"}
    rows = [
        (
            side,
            f"{median[side]:.1f}",
            spread(seconds[side]),
            f"{median[side] / median[SWATH]:.2f}",
            targets.get(side, ""),
        )
        for side in (TUTORIAL, LOG_METRIC, LOG_BATCH, KERAS, BASIC, UNTRACKED, SWATH)
    ]
    small = median[TUTORIAL_24] / median[SWATH_24]
    return "\n".join(
        [
            GRID.format(sample_steps=SAMPLE_STEPS),
            table(("", "median (s)", "spread (s)", "relative to swath", "minimum target"), rows),
            "",
            f"{len(seconds[SWATH])} repeats. The tracked sweep takes {median[SWATH] / median[UNTRACKED]:.2f} "
            "times as long as the untracked one (target 1.5).",
            f"Peak resident memory of swath: {peak['process'] / 1e9:.2f} GB for the process, "
            f"{peak['family'] / 1e9:.2f} GB with the tracking process (target 2).",
            "",
            "24 configurations of 1,000 steps in an empty folder, including the creation of the store: "
            f"{median[SWATH_24]:.1f} s; the tutorial's script takes {small:.1f} times as long (target 20).",
            "",
        ]
    )


def where_section(where: Found) -> str:
    """Processor seconds by part and number of configurations."""
    counts = list(where)
    rows = []
    for process in PROCESSES:
        parts = dict.fromkeys(part for count in counts for part in where[count][process])
        parts = sorted(parts, key=lambda part: -where["72"][process].get(part, 0.0))
        totals = [f"{sum(where[count][process].values()):.2f}" for count in counts]
        rows.append((f"**the {process} process**", *totals))
        rows += [
            (part, *(f"{where[count][process].get(part, 0.0):.2f}" for count in counts)) for part in parts
        ]
    rows.append(
        (
            "**each configuration**, ms",
            *(f"{1000 * _total(where[count]) / _number(count):.0f}" for count in counts),
        )
    )
    return "\n".join([WHERE, table(("", *counts), rows), ""])


def _total(processes: Mapping[str, Mapping[str, float]]) -> float:
    return sum(sum(parts.values()) for parts in processes.values())


def _number(count: str) -> int:
    return int(count.replace(",", ""))


def processes_section(processes: Found) -> str:
    """The article's run, as a whole process."""
    wall = {side: [run["wall_s"] for run in runs] for side, runs in processes.items()}
    median = {side: statistics.median(values) for side, values in wall.items()}
    targets = {WITH_STORE: "0.60", EMPTY: "0.75"}
    rows = [
        (
            side,
            f"{median[side]:.2f}",
            spread(wall[side]),
            f"{median[side] / median[TUTORIAL_ONCE]:.2f}",
            targets.get(side, ""),
        )
        for side in (TUTORIAL_ONCE, WITH_STORE, EMPTY)
    ]
    swath = [*processes[WITH_STORE], *processes[EMPTY]]
    memory = [
        (name, _largest(runs, "peak_bytes"), _largest(runs, "family_peak_bytes"), target)
        for name, runs, target in ((TUTORIAL_ONCE, processes[TUTORIAL_ONCE], ""), ("swath", swath, "1.5 GB"))
    ]
    text = f"""\
## The article's run, as a whole process

batch_size 100, learning_rate 0.005, 1,000 steps, all 50,000 CIFAR-10 images, evaluated on the 10,000 test
images; {len(wall[EMPTY])} repeats. The tutorial's way is a TensorFlow 1 graph that is fed one NumPy batch per
step ([contenders/tutorial.py](../benchmarks/contenders/tutorial.py)); it reads the pickles and tracks
nothing. swath reads its cache of the images, and stores 2,000 metric values and seven artifacts in MLflow; in
the empty folder it creates the store first.
"""
    peak = (
        "Peak resident memory. The child of swath is the tracking process; memory that both share, such as\n"
    )
    return "\n".join(
        [
            text,
            table(("", "median (s)", "spread (s)", "relative to the tutorial", "target"), rows),
            "",
            peak + "Python itself, is counted twice:",
            "",
            table(("", "process", "with children", "target"), memory),
            "",
        ]
    )


def _largest(runs: Sequence[Mapping[str, float]], key: str) -> str:
    return f"{max(run[key] for run in runs) / 1e9:.2f} GB"


def checkpoints_section(checkpoints: Found) -> str:
    """Cost of checkpoints in a long sweep."""
    medians = {side: statistics.median(seconds) for side, seconds in checkpoints.items()}
    ratio = medians["every second"] / medians["none"]
    rows = [(side, f"{medians[side]:.1f}", spread(seconds)) for side, seconds in checkpoints.items()]
    return "\n".join(
        [
            "## Checkpoints",
            "",
            "Eight configurations in one lane group, batches of 100 images, 30,000 steps, every 100th",
            "stored. Whole processes, measured in turn.",
            "",
            table(("checkpoints", "median (s)", "spread (s)"), rows),
            "",
            f"{len(checkpoints['none'])} repeats. With a checkpoint every second, 30 times as often as by",
            f"default, it took {ratio:.2f} times as long as without checkpoints (target: at most 1.02).",
            "",
        ]
    )


def storing_section(storing: Found) -> str:
    """Storing per-step values directly, and by MLflow's own calls."""
    median = {side: statistics.median(values) for side, values in storing.items()}
    fastest = min(median.values())
    rows = [
        (side, f"{median[side]:.2f}", spread(values), f"{median[side] / fastest:.1f}")
        for side, values in storing.items()
    ]
    return STORING + "\n" + table(("side", "median, s", "range, s", "ratio"), rows)
