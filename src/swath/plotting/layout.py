"""What all pictures have in common: style, scales, and the grid of a sweep cut up for a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swath.analysis import REPEATED_BY, typed
from swath.config import FIELDS, FieldSpec
from swath.tracking import StoredRun, schema

mpl.use("Agg")


# Okabe and Ito's, which the colour-blind can tell apart; markers and lines say the same without colour.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")


MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


DPI = 120


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
    unit = " (nats)" if schema.is_loss(field) else ""
    label = FIELDS[field].label if field in FIELDS else ""
    return label or field.replace("/", " ").replace("_", " ") + unit


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether a grid's values are spaced by factors rather than by differences."""
    distinct = sorted(set(values))
    return len(distinct) > 2 and distinct[0] > 0 and distinct[-1] / distinct[0] >= 8


def set_scale(axes: Axes, values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic where its values are."""
    if is_logarithmic(values):
        axes.set_xscale("log")


MOST_PANELS = 4


MOST_COLUMNS = 40
"""Values along the axis of a map that can still be read."""


MOST_LINES = 12
"""Values of a field, beyond which it is averaged over: a random search has another one for each run."""


@dataclass(frozen=True)
class Layout:
    """Which field goes where.

    Attributes:
      along: the field on the horizontal axis.
      line: the field that has a line per value; None for one line.
      panel: the field that has a panel per value; None for one panel.
    """

    along: str
    line: str | None
    panel: str | None


def layout_of(swept: Sequence[str], runs: Sequence[StoredRun]) -> Layout | None:
    """How to draw a sweep; None where no field with numbers varies."""
    numeric = [
        field
        for field in swept
        if field not in REPEATED_BY
        and all(isinstance(typed(field, run.params.get(field, "")), int | float) for run in runs)
    ]
    fields = sorted(numeric, key=_axis_order)
    others = [field for field in swept if field not in fields and field not in REPEATED_BY]
    if not fields:
        return None
    rest = [*fields[1:], *others]
    rest = [field for field in rest if len(values_of(runs, field)) <= MOST_LINES]
    panel = rest[1] if len(rest) > 1 and len(values_of(runs, rest[1])) <= MOST_PANELS else None
    return Layout(fields[0], rest[0] if rest else None, panel)


def _axis_order(field: str) -> int:
    """Place among the fields that compete for the horizontal axis; those of other versions come last."""
    return FIELDS[field].axis_order if field in FIELDS else FieldSpec.axis_order


def values_of(runs: Sequence[StoredRun], field: str | None) -> list[Any]:
    """The values of a field, ascending; one `None` for no field."""
    if field is None:
        return [None]
    return sorted({_value(run, field) for run in runs}, key=lambda value: (isinstance(value, str), value))


def averaged_fields(runs: Sequence[StoredRun], layout: Layout) -> list[str]:
    """The params that are not the same in all runs, and have no place in a picture."""
    names = dict.fromkeys(name for run in runs for name in run.params)
    placed = (layout.along, layout.line, layout.panel)
    return [name for name in names if name not in placed and len({run.params.get(name) for run in runs}) > 1]


def cells(runs: Sequence[StoredRun], layout: Layout) -> dict[tuple[object, object, object], list[StoredRun]]:
    """The runs of each panel, line and position along the axis."""
    found: dict[tuple[object, object, object], list[StoredRun]] = {}
    for run in runs:
        panel, line, along = (
            None if field is None else _value(run, field)
            for field in (layout.panel, layout.line, layout.along)
        )
        found.setdefault((panel, line, along), []).append(run)
    return found


def _value(run: StoredRun, field: str) -> Any:
    """The value of a field, typed; an empty text where the run lacks it."""
    return typed(field, run.params.get(field, ""))
