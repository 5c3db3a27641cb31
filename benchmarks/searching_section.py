"""The section on searches."""

import statistics
import textwrap

from benchmarks.searching import ALL, BATCH_SIZES, DEFAULTS, FIRST_STEPS, HALVED, OPTUNA, RATES, STEPS
from benchmarks.table import Found, table

TARGETS = {HALVED: "0.33", DEFAULTS: "0.50"}

TEXT = (
    f"{len(BATCH_SIZES) * len(RATES)} configurations ({len(BATCH_SIZES)} batch sizes, {len(RATES)} learning "
    f"rates) of the softmax classifier with up to {STEPS:,} steps on CIFAR-10, every step and the weights "
    "tracked, whole processes. The defaults have the first rung at 500 steps, and train three finalists with "
    f"two more seeds. Optuna's trials have their first rung at {FIRST_STEPS} steps, too; a trial that it "
    "stops never goes on. CPU is the processor time of the process and its children; best is the validation "
    "accuracy of the winner, with the defaults its mean over three seeds."
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
            f"{found['cpu_s']:.1f}",
            f"{found['wall_s'] / medians[ALL]['wall_s']:.2f}",
            TARGETS.get(side, ""),
            f"{found['best']:.4f}",
        )
        for side, found in medians.items()
    ]
    headings = ("search", "repeats", "seconds", "CPU seconds", "share of all", "target at most", "best")
    lines = ["## A halved search", "", *textwrap.wrap(TEXT, 105), "", table(headings, rows)]
    if OPTUNA in medians:
        peer, ours = medians[OPTUNA], medians[HALVED]
        wall, cpu = peer["wall_s"] / ours["wall_s"], peer["cpu_s"] / ours["cpu_s"]
        lines += [
            "",
            f"Optuna takes {wall:.1f} times as long (target: 5), and {cpu:.1f} times the CPU (target: 4).",
        ]
    return "\n".join([*lines, ""])
