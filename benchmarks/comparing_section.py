"""Section of docs/benchmarks.md about reading a large store."""

import statistics

from benchmarks.comparing import CURVES, HISTORIES, IMPORT, LIST, PLOTS, RANKING
from benchmarks.table import Found, spread, table

HEAD = """\
## Comparing

Reading a store of 50 sweeps and 2,000 runs of 200 steps that swath made. Whole processes, measured in turn;
for comparison, a process that only imports MLflow.
"""


def comparing_section(comparing: Found) -> str:
    """Lists, rankings, plots and curves."""
    commands, curves = comparing["commands"], comparing["curves"]
    median = {side: statistics.median(values) for side, values in {**commands, **curves}.items()}
    targets = {LIST: "3", RANKING: "3", PLOTS: "10 s"}
    rows = [
        (
            f"`{side}`",
            f"{median[side]:.1f}",
            spread(commands[side]),
            f"{median[side] / median[IMPORT]:.2f}",
            targets.get(side, ""),
        )
        for side in (IMPORT, LIST, RANKING, PLOTS)
    ]
    tensorflow = "imports" if comparing["tensorflow"] else "does not import"
    return "\n".join(
        [
            HEAD,
            table(("", "median (s)", "spread (s)", "relative to the import", "maximum target"), rows),
            "",
            f"{len(commands[LIST])} repeats. A ranking {tensorflow} TensorFlow.",
            "",
            f"The curves of 72 runs of 1,000 steps, in a running process: {median[CURVES]:.2f} s with "
            f"`{CURVES}`; {HISTORIES}, takes {median[HISTORIES] / median[CURVES]:.0f} times as long "
            "(target 10).",
            "",
        ]
    )
