"""The measurements as pictures, readable without colours."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.grid import BASIC, FUSED, KERAS, LOG_BATCH, LOG_METRIC, TUTORIAL
from benchmarks.steps import BATCH_SIZES, LANES

SHORT = {
    TUTORIAL: "the tutorial's script,\none process each",
    LOG_METRIC: "TensorFlow 2 + Hydra +\nmlflow.log_metric",
    KERAS: "Keras fit +\nMLflow callback",
    LOG_BATCH: "TensorFlow 2 + Hydra +\nlog_batch at the end",
    BASIC: "swath, one by one",
    FUSED: "swath",
}
MARKERS = ("o", "s", "^")
LINES = ("-", "--", ":")
DPI = 110


def draw_all(found: Mapping[str, Any], folder: Path) -> None:
    """Draw every picture whose figures are there."""
    mpl.use("Agg")
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    if "grid" in found:
        _contenders(found["grid"]["seconds"], folder / "contenders.png")
    if "lanes" in found and "counts" in found:
        _scaling(found, folder / "scaling.png")


def _contenders(seconds: Mapping[str, list[float]], path: Path) -> None:
    medians = {label: statistics.median(seconds[side]) for side, label in SHORT.items()}
    ordered = sorted(medians, key=medians.__getitem__)
    figure, axes = plt.subplots(figsize=(7.5, 3.4))
    shades = ["black" if label == "swath" else "0.65" for label in ordered]
    bars = axes.barh(ordered, [medians[label] for label in ordered], color=shades, height=0.65)
    ours = medians["swath"]
    labels = [f"{_time(medians[name])}" + (f"   {medians[name] / ours:.0f} x" if name != "swath" else "")
              for name in ordered]  # fmt: skip
    axes.bar_label(bars, labels, padding=5)
    axes.set_xscale("log")
    axes.set_xlim(right=max(medians.values()) * 4)
    axes.set_xlabel("seconds, logarithmic")
    axes.set_title("72 configurations, 72,000 steps, every one of them tracked", loc="left")
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


def _scaling(found: Mapping[str, Any], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for size, marker, line in zip(BATCH_SIZES, MARKERS, LINES, strict=True):
        medians = [statistics.median(found["lanes"][f"{size}, {lanes}"]) for lanes in LANES]
        per_lane = [median / lanes for median, lanes in zip(medians, LANES, strict=True)]
        left.plot(LANES, per_lane, marker=marker, linestyle=line, color="black", label=f"batches of {size}")
    _logarithmic(left, LANES)
    left.set_xlabel("lanes in one program, on one core")
    left.set_ylabel("ms per step and configuration")
    left.legend(frameon=False)
    counts = [int(count) for count in found["counts"]]
    per_configuration = [entry["seconds"] / int(count) for count, entry in found["counts"].items()]
    right.plot(counts, per_configuration, marker="o", color="black")
    _logarithmic(right, counts)
    right.set_xlabel("configurations in one command, 100 steps each")
    right.set_ylabel("s per configuration, whole process")
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _logarithmic(axes: Axes, ticks: Any) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(list(ticks), [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
