"""What all pictures have in common."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("Agg")

# Okabe and Ito's, which the colour-blind can tell apart; markers and lines say the same without colour.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

DPI = 120

UNITS = {
    "learning_rate": "learning rate",
    "batch_size": "batch size (images)",
    "max_steps": "steps",
}
"""How axes call fields."""


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side that share their vertical axis; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, sharey=True)[0]
    for entry in axes:
        entry.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def save(figure: Figure, folder: Path, name: str, kind: str) -> Path:
    """Write a figure as `png` or `svg`; the same figure gives the same bytes."""
    path = folder / f"{name}.{kind}"
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(path, format=kind, dpi=DPI, metadata=metadata)
    return path


def label_of(field: str) -> str:
    """What an axis calls a field or a metric."""
    unit = " (nats)" if field.endswith("/loss") else ""
    return UNITS.get(field, field.replace("/", " ").replace("_", " ") + unit)


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether a grid's values are spaced by factors rather than by differences."""
    distinct = sorted(set(values))
    return len(distinct) > 2 and distinct[0] > 0 and distinct[-1] / distinct[0] >= 8


def set_scale(axes: Axes, values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic where its values are."""
    if is_logarithmic(values):
        axes.set_xscale("log")
