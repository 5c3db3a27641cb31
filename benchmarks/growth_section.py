"""Section and figure of docs/benchmarks.md about the cost of a configuration by their number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from benchmarks.growth import COUNTS, MOST_OF_OTHERS, STEPS, SWATH
from benchmarks.table import Found, table

TEXT = f"""\
## What a configuration costs, by their number

Configurations of {STEPS} steps, everything tracked, each number in a folder without a store: processor time,
peak memory of all processes, and bytes on the disk. The others do what their documentation shows: plain Hydra
and `mlflow.log_metric` with TensorFlow; hydraflow, Optuna with `MLflowCallback` and Ray Tune with
`MLflowLoggerCallback`, all three with a model in NumPy, which starts faster. They were measured up to
{MOST_OF_OTHERS} configurations; thin lines go on at what the last ninety cost.

![Cost of a configuration by their number](growth.png)
"""

PANELS = (
    ("cpu", "processor time (ms)", 1e3),
    ("bytes", "memory (MB)", 1e-6),
    ("stored", "on the disk (kB)", 1e-3),
)


def growth_section(found: Found) -> str:
    """What each configuration costs."""
    rows = []
    for side, by_count in found.items():
        for count, entry in by_count.items():
            shares = [f"{entry[key] * scale / int(count):,.1f}" for key, _, scale in PANELS]
            rows.append((side, f"{int(count):,}", f"{entry['seconds']:.1f}", *shares))
    heads = ("", "configurations", "seconds in all", *(f"{label} each" for _, label, _ in PANELS))
    last = found[SWATH]
    ratio = _each(last["10000"], 10_000) / _each(last["1000"], 1_000)
    flat = (
        f"From 1,000 to {COUNTS[-1]:,} configurations, the processor time of each changes by the factor "
        f"{ratio:.2f}."
    )
    return "\n".join([TEXT, table(heads, rows), "", flat, ""])


def _each(entry: Mapping[str, float], count: int) -> float:
    return entry["cpu"] / count


def draw_growth(found: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """A panel for each cost of a configuration over their number; both axes are logarithmic."""
    figure, panels = plt.subplots(1, len(PANELS), figsize=(11, 3.6), sharex=True)
    styles = zip(found.items(), ("o", "s", "^", "D", "v"), ("-", "--", ":", "-.", (0, (5, 1))), strict=False)
    for (side, by_count), marker, line in styles:
        shade = "black" if side == SWATH else "0.5"
        counts = [int(count) for count in by_count]
        for axes, (key, label, scale) in zip(panels, PANELS, strict=True):
            costs = [by_count[str(count)][key] * scale / count for count in counts]
            axes.plot(counts, costs, marker=marker, linestyle=line, color=shade, label=side, ms=5)
            if counts[-1] < COUNTS[-1] and len(counts) > 1:
                first, last = (by_count[str(count)][key] * scale for count in counts[-2:])
                marginal = max(0.0, last - first) / (counts[-1] - counts[-2])
                further = [count for count in COUNTS if count >= counts[-1]]
                goes_on = [(last + marginal * (count - counts[-1])) / count for count in further]
                axes.plot(further, goes_on, linestyle=line, color=shade, linewidth=0.6)
            axes.set(xscale="log", yscale="log", xlabel="configurations", title=f"{label}, each")
            axes.title.set_fontsize(10)
    panels[-1].legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
