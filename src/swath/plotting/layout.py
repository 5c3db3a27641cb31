"""Style and scales of all figures, and the roles of the swept fields in a figure."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from swath.analysis import REPEATED_BY
from swath.config import FIELDS, FieldSpec, typed
from swath.errors import UsageError
from swath.tracking import StoredRun, schema

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


DPI = 120

NOTEBOOK_DPI = 80


PNG_METADATA = {"Software": None}
"""Without the version of Matplotlib, equal figures give equal bytes."""


PNG_COMPRESSION = 3
"""Of these figures, zlib's default of 6 makes files of the same size in half as much time again."""


class ShownFigure(Figure):
    """A figure that a notebook shows, also where Matplotlib's own backend for notebooks is not loaded."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=NOTEBOOK_DPI)
        return content.getvalue()


def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1
) -> tuple[ShownFigure, list[Axes]]:
    """A figure with axes that share the vertical axis of their row; sizes in inches.

    Returns:
      The figure, and its axes row by row.
    """
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex="col", sharey="row").ravel()
    for entry in axes:
        entry.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def resize(figure: Figure, name: str, size: tuple[float, float]) -> None:
    """Give a figure another size.

    Args:
      figure: the figure.
      name: its name, for messages.
      size: width and height in inches.

    Raises:
      UsageError: its axes have no room beside their labels.
    """
    own = "x".join(f"{side:.3g}" for side in figure.get_size_inches())
    figure.set_size_inches(*size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.draw_without_rendering()
    if any("constrained_layout" in str(warning.message) for warning in caught):
        typed = "x".join(f"{side:g}" for side in size)
        raise UsageError(f"--size {typed}: too small for the plot {name}, whose own size is {own}")


KINDS = {"png": PNG_METADATA, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Kinds of files, and the metadata without which equal figures give equal bytes."""


def save(figure: Figure, folder: Path, name: str, kind: str, dpi: int = DPI) -> Path:
    """Write a figure as `png`, `svg` or `pdf`; texts stay texts, and equal figures give equal bytes."""
    path = folder / f"{name}.{kind}"
    if kind == "png":
        _lay_out(figure, dpi)
    how: dict[str, Any] = {"pil_kwargs": {"compress_level": PNG_COMPRESSION}} if kind == "png" else {}
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(path, format=kind, dpi=dpi, metadata=KINDS[kind], **how)
    return path


def _lay_out(figure: Figure, dpi: int) -> None:
    """Give the axes their places for good.

    Matplotlib would draw the whole figure once to find them, and a second time to write it.
    """
    if (engine := figure.get_layout_engine()) is not None:
        figure.set_dpi(dpi)
        engine.execute(figure)
        with mpl.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)


def label_of(name: str) -> str:
    """Label of a field, which is its name, or of a metric: `validation accuracy`."""
    if name in FIELDS:
        return name
    return name.replace("/", " ").replace("_", " ") + (" (nats)" if schema.is_loss(name) else "")


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether values span such a range that a logarithmic axis shows them better."""
    distinct = sorted(set(values))
    return len(distinct) > 2 and distinct[0] > 0 and distinct[-1] / distinct[0] >= 8


MANY_DECADES = 3
"""Powers of ten on an axis from which on it is logarithmic at a glance, without ticks between them."""


def set_scale(axes: Axes, values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic if `is_logarithmic` holds for its values."""
    if is_logarithmic(values):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(SmallTicks())


class SmallTicks(LogLocator):
    """Ticks between the powers of ten of an axis that shows few of them; Matplotlib draws each by itself."""

    def __init__(self) -> None:
        super().__init__(subs="auto")

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """See `LogLocator`."""
        return [] if vmax >= vmin * 10**MANY_DECADES > 0 else super().tick_values(vmin, vmax)


MOST_PANELS = 4
"""Panels of a figure; a field with more values gets no panels."""


MOST_COLUMNS = 40
"""Columns of a heat map; a field with more values gets no heat map."""


MOST_LINES = 12
"""Lines of a figure; a field with more values, as in a random search, is averaged over."""


@dataclass(frozen=True)
class Layout:
    """The roles of the swept fields in a figure.

    Attributes:
      along: field on the horizontal axis.
      line: field with a line per value; None for one line.
      panel: field with a panel per value; None for one panel.
    """

    along: str
    line: str | None
    panel: str | None


def layout_of(swept: Sequence[str], runs: Sequence[StoredRun]) -> Layout | None:
    """The layout of a sweep; None if no numeric field varies."""
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


def layout_along(field: str, layout: Layout) -> Layout | None:
    """A layout with another field along the axis; None if it has another role or none.

    The field that was along the axis becomes the line, and what was the line becomes the panel.
    """
    if field == layout.line:
        return Layout(field, layout.along, layout.panel)
    if field == layout.panel:
        return Layout(field, layout.along, layout.line)
    return None


def _axis_order(field: str) -> int:
    """Place among the fields that compete for the horizontal axis; those of other versions come last."""
    return FIELDS[field].axis_order if field in FIELDS else FieldSpec.axis_order


def values_of(runs: Sequence[StoredRun], field: str | None) -> list[Any]:
    """The values of a field in ascending order; `[None]` for no field."""
    if field is None:
        return [None]
    return sorted({_value(run, field) for run in runs}, key=lambda value: (isinstance(value, str), value))


def averaged_fields(runs: Sequence[StoredRun], layout: Layout) -> list[str]:
    """The fields that vary but have no role in the layout."""
    names = dict.fromkeys(name for run in runs for name in run.params)
    placed = (layout.along, layout.line, layout.panel)
    return [name for name in names if name not in placed and len({run.params.get(name) for run in runs}) > 1]


def cells(runs: Sequence[StoredRun], layout: Layout) -> dict[tuple[object, object, object], list[StoredRun]]:
    """The runs by panel, line and position along the axis."""
    found: dict[tuple[object, object, object], list[StoredRun]] = {}
    for run in runs:
        panel, line, along = (
            None if field is None else _value(run, field)
            for field in (layout.panel, layout.line, layout.along)
        )
        found.setdefault((panel, line, along), []).append(run)
    return found


def _value(run: StoredRun, field: str) -> Any:
    """The typed value of a field; an empty text if the run lacks it."""
    return typed(field, run.params.get(field, ""))
