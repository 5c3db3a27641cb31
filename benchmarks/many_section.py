"""Section of docs/benchmarks.md about sweeps of many configurations."""

import statistics
import textwrap

from benchmarks.many import BEFORE, NOW, PLAN, PLANNED, RESUME, RESUMED
from benchmarks.many_runs import SEEDS
from benchmarks.table import Found, table

MOST_S = 10
"""Target of both tasks, in seconds."""

MOST_BYTES = 300_000_000
"""Target of the memory of a plan."""

SHARES = {PLAN: 0.40, RESUME: 0.05}
"""Targets: shares of the time before."""

TEXT = (
    f"Whole processes: `dry_run=true` of a grid of {PLANNED:,} configurations (learning rates and {SEEDS} "
    f"seeds) of the bundled digits, and `resume=yes` of a sweep of which {RESUMED:,} configurations have "
    "finished. The runs of the latter were not trained: they are copies of a real one, with predictions of "
    "their own. CPU is the processor time of the process and its children; memory is that of the command's "
    "own process. *Before* is the commit before configurations were made of what they share and jobs had no "
    "folders beyond 1,000. Other work on the machine lengthens both sides."
)


def many_section(times: Found) -> str:
    """Seconds, memory and shares of the time before."""
    rows = []
    for task, sides in times.items():
        medians = {
            side: {
                name: statistics.median(run[name] for run in runs)
                for name in ("wall_s", "cpu_s", "peak_bytes")
            }
            for side, runs in sides.items()
        }
        for side, runs in sides.items():
            found, is_now = medians[side], side == NOW
            compared = is_now and BEFORE in medians
            share = found["wall_s"] / medians[BEFORE]["wall_s"] if compared else None
            cpu = found["cpu_s"] / medians[BEFORE]["cpu_s"] if compared else None
            rows.append(
                (
                    f"{task}, {side}",
                    str(len(runs)),
                    f"{found['wall_s']:.1f}",
                    f"{found['cpu_s']:.1f}",
                    f"{found['peak_bytes'] / 1e6:.0f}",
                    "" if share is None else f"{share:.2f}",
                    "" if cpu is None else f"{cpu:.2f}",
                    f"{MOST_S} s, {SHARES[task]:.2f}" if is_now else "",
                )
            )
    headings = ("", "repeats", "seconds", "CPU seconds", "MB", "share", "share of CPU", "targets at most")
    memory = f"The target of the plan's memory is {MOST_BYTES / 1e6:.0f} MB."
    return "\n".join(
        ["## Many configurations", "", *textwrap.wrap(TEXT, 105), "", table(headings, rows), "", memory, ""]
    )
