"""Sections of docs/benchmarks.md about steps, lanes and jobs, one section per part."""

import statistics

from benchmarks.jobs import BASIC as BASIC_JOB
from benchmarks.jobs import FILES, RATIO
from benchmarks.steps import (
    BATCH_SIZE,
    BATCH_SIZES,
    LANES,
    LIMIT,
    LIMIT_PREPARED,
    STEP,
    STEPS,
    WIDE,
    WIDE_LIMIT,
    WIDE_STEP,
)
from benchmarks.table import Found, table

SCALING = """\
## Lanes, batch sizes, configurations

![Time per configuration](scaling.png)

Milliseconds per step by the number of lanes in one program, on one core, in steady state after compilation.
*One by one*: how many times as long the same lanes take when they are trained one after the other.
"""


def lanes_section(lanes: Found) -> str:
    """A step by the number of lanes."""
    rows = []
    for count in LANES:
        row: list[str] = [str(count)]
        for size in BATCH_SIZES:
            together = statistics.median(lanes[f"{size}, {count}"])
            alone = statistics.median(lanes[f"{size}, 1"]) * count
            row += [f"{together:.2f}", f"{alone / together:.1f}"]
        rows.append(row)
    headings = ["lanes"]
    for size in BATCH_SIZES:
        headings += [f"batch {size} (ms)", "one by one"]
    return "\n".join([SCALING, table(headings, rows), ""])


def compiling_section(compiling: Found) -> str:
    """Cost of tracing and compiling."""
    rows = [(name, f"{statistics.median(times):.0f}") for name, times in compiling.items()]
    note = "Compilation, excluded above: milliseconds of a call for one step of 100 images."
    return "\n".join([note, "", table(("", "ms"), rows), ""])


def counts_section(counts: Found) -> str:
    """Whole processes by the number of configurations."""
    rows = [
        (
            f"{int(count):,}",
            f"{entry['seconds']:.1f}",
            f"{entry['seconds'] / int(count):.3f}",
            f"{entry['process_bytes'] / 1e9:.2f}",
            f"{entry['family_bytes'] / 1e9:.2f}",
            f"{entry['stored_bytes'] / int(count) / 1e3:,.0f}",
        )
        for count, entry in counts.items()
    ]
    headings = ("configurations", "s", "s each", "process (GB)", "with tracking (GB)", "stored each (kB)")
    note = "Whole processes in empty folders, measured once: batches of 100, 100 steps, 100 rates per seed."
    return "\n".join([note, "", table(headings, rows), ""])


def jobs_section(jobs: Found) -> str:
    """The cost of a job besides its training."""
    targets = {FILES: "0.08"}
    rows = [
        (name, f"{jobs[name]:.1f}", f"{jobs[name] / jobs[BASIC_JOB]:.2f}", targets.get(name, ""))
        for name in jobs
        if name != RATIO
    ]
    note = """\
The cost of a job besides its training, from 1,000 jobs with an empty task, on one core. The folder and files
of a job are written during the training, from a config that is composed once for all jobs."""
    return "\n".join(
        ["## Jobs", "", note, "", table(("", "ms per job", "relative to Hydra", "target"), rows), ""]
    )


def steps_section(steps: Found) -> str:
    """One step and its lower limit."""
    ms = {name: statistics.median(times) for name, times in steps.items()}
    rows = [
        (STEP, f"{ms[STEP]:.3f}", "1", ""),
        (LIMIT_PREPARED, f"{ms[LIMIT_PREPARED]:.3f}", f"{ms[STEP] / ms[LIMIT_PREPARED]:.2f}", "1.25"),
        (LIMIT, f"{ms[LIMIT]:.3f}", f"{ms[STEP] / ms[LIMIT]:.2f}", ""),
        (WIDE_STEP, f"{ms[WIDE_STEP]:.3f}", "1", ""),
        (WIDE_LIMIT, f"{ms[WIDE_LIMIT]:.3f}", f"{ms[WIDE_STEP] / ms[WIDE_LIMIT]:.2f}", "1.15"),
    ]
    text = f"""\
## One training step

Batches of {BATCH_SIZE} images, {STEPS} steps per measurement (fewer for {WIDE} lanes); {len(steps[STEP])}
repeats. The lower limit is a loop of the same kind that contains only the two matrix products and the
gather: no mean image, bias, softmax, loss, accuracy or metrics.
"""
    return "\n".join([text, table(("", "median (ms)", "step / this", "target"), rows), ""])
