"""Figures of the measurements, readable without colour."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.grid import BASIC, KERAS, LOG_BATCH, LOG_METRIC, SWATH, TUTORIAL
from benchmarks.growth_section import draw_growth
from benchmarks.search_worth import HALVED
from benchmarks.steps import BATCH_SIZES, LANES

SHORT = {
    TUTORIAL: "the tutorial's script,\none process each, untracked",
    LOG_METRIC: "TensorFlow 2 + Hydra +\nmlflow.log_metric",
    KERAS: "Keras fit +\nMLflow callback",
    LOG_BATCH: "TensorFlow 2 + Hydra +\nlog_batch at the end",
    BASIC: "swath, one by one",
    SWATH: "swath",
}
MARKERS = ("o", "s", "^")
LINES = ("-", "--", ":")
SOME_LANES = (1, 8, 24)
DPI = 110


def draw_all(found: Mapping[str, Any], folder: Path) -> None:
    """Draw every figure whose parts have been measured."""
    mpl.use("Agg")
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    if "grid" in found:
        _contenders(found["grid"]["seconds"], folder / "contenders.png")
    if "growing" in found:
        draw_growth(found["growing"], folder / "growth.png")
    if "worth" in found:
        _worth(found["worth"]["runs"], folder / "search-worth.png")
    if "lanes" in found and "counts" in found:
        _scaling(found, folder / "scaling.png")


def _worth(runs: Mapping[str, list[Mapping[str, float]]], path: Path) -> None:
    """The winners' accuracies against what was paid for them."""
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for (side, found), marker in zip(runs.items(), ("o", "D", "s", "^"), strict=True):
        paid = [each["image_steps"] / 1e6 for each in found]
        shade = "black" if side == HALVED else "0.65"
        axes.plot(paid, [each["validation"] for each in found], marker, color=shade, label=side, ms=8)
        axes.plot(paid, [each["test"] for each in found], marker, color=shade, mfc="none", ms=8)
    axes.set_xscale("log")
    axes.set_xticks([10, 20, 40, 80], ["10", "20", "40", "80"])
    axes.minorticks_off()
    axes.set_xlabel("million image-steps")
    axes.set_ylabel("accuracy of the winner")
    axes.set_title("filled: validation images, empty: test images", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


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
    axes.set_xlim(right=max(medians.values()) * 1.25)
    axes.set_xlabel("seconds")
    axes.set_title("72 configurations, 72,000 steps on two cores", loc="left")
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


def _scaling(found: Mapping[str, Any], path: Path) -> None:
    figure, ((by_lanes, by_batch), (by_count, stored)) = plt.subplots(2, 2, figsize=(10, 7.5))
    _against_lanes(by_lanes, found["lanes"])
    _against_batch_size(by_batch, found["lanes"])
    counts = {int(count): entry for count, entry in found["counts"].items()}
    each = [entry["seconds"] / count for count, entry in counts.items()]
    by_count.plot(list(counts), each, marker="o", color="black")
    by_count.set_ylabel("s per configuration, whole process")
    bytes_each = [entry["stored_bytes"] / count / 1000 for count, entry in counts.items()]
    stored.plot(list(counts), bytes_each, marker="o", color="black")
    stored.set_ylabel("kB in the store per configuration")
    for axes in (by_count, stored):
        _logarithmic(axes, list(counts))
        axes.set_xlabel("configurations in one command, 100 steps each")
    stored.set_yticks([250, 500, 1000], ["250", "500", "1,000"])
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _per_lane(found: Mapping[str, list[float]], batch_size: int, lanes: int) -> float:
    return statistics.median(found[f"{batch_size}, {lanes}"]) / lanes


def _against_lanes(axes: Axes, found: Mapping[str, list[float]]) -> None:
    for size, marker, line in zip(BATCH_SIZES, MARKERS, LINES, strict=True):
        times = [_per_lane(found, size, lanes) for lanes in LANES]
        axes.plot(LANES, times, marker=marker, linestyle=line, color="black")
        axes.annotate(f"batches of {size}", (LANES[0], times[0]), (4, 7), textcoords="offset points")
    _logarithmic(axes, LANES)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.5)
    axes.set_xlabel("lanes in one program, on one core")
    axes.set_ylabel("ms per step and configuration")


def _against_batch_size(axes: Axes, found: Mapping[str, list[float]]) -> None:
    for lanes, marker, line in zip(SOME_LANES, MARKERS, LINES, strict=True):
        times = [1000 * _per_lane(found, size, lanes) / size for size in BATCH_SIZES]
        label = "1 lane" if lanes == 1 else f"{lanes} lanes"
        axes.plot(BATCH_SIZES, times, marker=marker, linestyle=line, color="black")
        above = -22 if lanes == SOME_LANES[-1] else 6
        axes.annotate(label, (BATCH_SIZES[0], times[0]), (0, above), textcoords="offset points")
    _logarithmic(axes, BATCH_SIZES)
    axes.set_yticks([2, 5, 10], ["2", "5", "10"])
    axes.set_xlabel("batch size")
    axes.set_ylabel("µs per image and configuration")


def _logarithmic(axes: Axes, ticks: Any) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(list(ticks), [f"{tick:,}" for tick in ticks])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
