"""The section on searches."""

import statistics
import textwrap

from benchmarks.searching import ALL, BATCH_SIZES, DEFAULTS, FIRST_STEPS, HALVED, OPTUNA, RATES, RAY, STEPS
from benchmarks.table import Found, table

TARGETS = {HALVED: "0.33", DEFAULTS: "0.50"}

TEXT = (
    f"{len(BATCH_SIZES) * len(RATES)} configurations ({len(BATCH_SIZES)} batch sizes, {len(RATES)} learning "
    f"rates) of the softmax classifier with up to {STEPS:,} steps on CIFAR-10, every step and the weights "
    "tracked, whole processes. The defaults have the first rung at 500 steps, and train three finalists with "
    f"two more seeds. The trials of Optuna and Ray have their first rung at {FIRST_STEPS} steps, too; "
    "one that they stop never goes on. CPU is the processor time of the process and its children (Ray's "
    "workers are none of them); best is the validation accuracy of the winner, "
    "with the defaults its mean over three seeds."
)


def searching_section(times: Found) -> str:
    """Seconds, shares and winners."""
    medians = {
        side: {name: statistics.median(values) for name, values in found.items()}
        for side, found in times.items()
    }
    rows = [
        (
            side,
            str(len(times[side]["wall_s"])),
            f"{found['wall_s']:.1f}",
            "-" if side == RAY else f"{found['cpu_s']:.1f}",
            f"{found['wall_s'] / medians[ALL]['wall_s']:.2f}",
            TARGETS.get(side, ""),
            f"{found['best']:.4f}",
        )
        for side, found in medians.items()
    ]
    headings = ("search", "repeats", "seconds", "CPU seconds", "share of all", "target at most", "best")
    lines = ["## A halved search", "", *textwrap.wrap(TEXT, 105), "", table(headings, rows)]
    ours = medians[HALVED]
    if OPTUNA in medians:
        wall, cpu = (medians[OPTUNA][each] / ours[each] for each in ("wall_s", "cpu_s"))
        targets = f"{wall:.1f} times as long (target: 5), and {cpu:.1f} times the CPU (target: 4)"
        lines += ["", f"Optuna takes {targets}."]
    if RAY in medians:
        lines += [
            "",
            f"Ray Tune takes {medians[RAY]['wall_s'] / ours['wall_s']:.1f} times as long (target: 10).",
        ]
    return "\n".join([*lines, ""])
