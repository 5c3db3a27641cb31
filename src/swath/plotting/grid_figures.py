"""Draws a metric over the grid: lines over one hyperparameter, heat maps over two."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from swath.analysis import images_of, ordered, spread, wilson_interval
from swath.plotting.layout import (
    LINES,
    MARKERS,
    Layout,
    averaged_fields,
    cells,
    is_logarithmic,
    label_of,
    new_figure,
    set_scale,
    values_of,
)
from swath.plotting.palette import COLOURS
from swath.tracking import StoredRun, schema

MAX_SHIFT = 0.02
"""Horizontal distance of the points of the first and the last line, as a share of the axis."""


def draw_accuracy(runs: Sequence[StoredRun], layout: Layout, metric: str) -> Figure:
    """Draw a metric with a panel per value of `layout.panel` and a line per value of `layout.line`.

    Error bars are 95% Wilson intervals of an accuracy. For configurations with several seeds, points are
    means and error bars are one standard deviation.

    Args:
      runs: finished runs.
      layout: the roles of the swept fields.
      metric: metric on the vertical axis.
    """
    panels, lines = values_of(runs, layout.panel), values_of(runs, layout.line)
    figure, axes = new_figure(max(6.4, 4.4 * len(panels)), 4.2, len(panels))
    found = cells(runs, layout)
    along = [float(position) for position in values_of(runs, layout.along)]
    for place, panel in zip(axes, panels, strict=True):
        set_scale(place, along)
        for index, line in enumerate(lines):
            points = {
                position: found[panel, line, position]
                for position in along
                if (panel, line, position) in found
            }
            _draw_line(place, points, metric, index, str(line), _shift(along, index, len(lines)))
        if schema.is_loss(metric) and is_logarithmic([run.metrics.get(metric, 0.0) for run in runs]):
            place.set_yscale("log")  # too large a learning rate gives a loss a thousand times larger
        place.set_xlabel(label_of(layout.along))
        if layout.panel is not None:
            place.set_title(f"{layout.panel} = {panel}")
    axes[0].set_ylabel(label_of(metric) + _bar_label(runs, layout, metric))
    if layout.line is not None:
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            title=label_of(layout.line),
            loc="outside right upper",
            frameon=False,
        )
    return figure


def _bar_label(runs: Sequence[StoredRun], layout: Layout, metric: str) -> str:
    if averaged := averaged_fields(runs, layout):
        return f",\nmean and s.d. over {', '.join(averaged)}"
    return ", 95% interval" if any(_bars([run], metric) != (0.0, 0.0) for run in runs) else ""


def _shift(along: Sequence[float], index: int, lines: int) -> Callable[[float], float]:
    """Shift the points of a line by up to a hundredth of the axis, so that error bars do not overlap."""
    part = (index - (lines - 1) / 2) * MAX_SHIFT / max(1, lines - 1)
    if is_logarithmic(along):
        factor = (max(along) / min(along)) ** part
        return lambda position: position * factor
    shift = (max(along) - min(along)) * part
    return lambda position: position + shift


def _draw_line(
    axes: Axes,
    points: Mapping[float, Sequence[StoredRun]],
    metric: str,
    index: int,
    label: str,
    shift: Callable[[float], float],
) -> None:
    positions, means, bars = [], [], []
    for position, runs in points.items():
        here = [run for run in runs if math.isfinite(run.metrics.get(metric, math.nan))]
        positions.append(shift(position))
        means.append(spread([run.metrics[metric] for run in here]).mean if here else math.nan)
        bars.append(_bars(here, metric))
    axes.errorbar(
        positions,
        means,
        yerr=list(zip(*bars, strict=True)) if bars else None,
        marker=MARKERS[index % len(MARKERS)],
        linestyle=LINES[index % len(LINES)],
        color=COLOURS[index % len(COLOURS)],
        markersize=5,
        linewidth=1.2,
        elinewidth=0.8,
        capsize=2,
        label=label,
    )


def _bars(runs: Sequence[StoredRun], metric: str) -> tuple[float, float]:
    """Length of the error bar below and above the point."""
    if len(runs) > 1:
        std = spread([run.metrics[metric] for run in runs]).std
        return std, std
    if not runs or not (images := images_of(runs[0], metric)):
        return 0.0, 0.0
    value = runs[0].metrics[metric]
    low, high = wilson_interval(value, images)
    return max(0.0, value - low), max(0.0, high - value)


def draw_heat_map(runs: Sequence[StoredRun], layout: Layout, metric: str) -> Figure:
    """Draw a heat map per value of `layout.panel`: `layout.along` to the right, `layout.line` upwards.

    A frame marks the best cell. A cell with several runs, such as several seeds, shows their mean. Missing
    and infinite cells are empty.

    Args:
      runs: finished runs.
      layout: the roles of the swept fields; `layout.line` is not None.
      metric: metric to show.
    """
    assert layout.line is not None
    panels = values_of(runs, layout.panel)
    columns, rows = values_of(runs, layout.along), values_of(runs, layout.line)
    width = max(5.0, 0.62 * len(columns) * len(panels) + 2.2)
    figure, axes = new_figure(width, max(2.6, 0.5 * len(rows) + 1.4), len(panels))
    found = cells(runs, layout)
    means = np.full((len(panels), len(rows), len(columns)), math.nan)
    for (p, panel), (r, row), (c, column) in product(enumerate(panels), enumerate(rows), enumerate(columns)):
        means[p, r, c] = _mean(found.get((panel, row, column), ()), metric)
    known = means[np.isfinite(means)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    for place, panel, values in zip(axes, panels, means, strict=True):
        # "cividis" is made for colour-blind readers, and its brightness rises evenly: bright is high.
        image = place.imshow(values, origin="lower", aspect="auto", cmap="cividis", vmin=low, vmax=high)
        for r, c in np.ndindex(values.shape):
            if math.isfinite(values[r, c]):
                dark = values[r, c] < low + 0.6 * (high - low)
                text = f"{values[r, c]:.3f}".lstrip("0")
                place.text(
                    c, r, text, ha="center", va="center", fontsize=8, color="white" if dark else "black"
                )
        place.set_xticks(
            range(len(columns)),
            [f"{value:g}" if isinstance(value, float) else str(value) for value in columns],
        )
        place.tick_params(axis="x", labelrotation=45 if len(columns) > 6 else 0)
        place.set_yticks(range(len(rows)), [str(value) for value in rows])
        place.set_xlabel(label_of(layout.along))
        if layout.panel is not None:
            place.set_title(f"{layout.panel} = {panel}")
    if known.size:
        best = known.max() if schema.larger_is_better(metric) else known.min()
        tied = [tuple(map(int, index)) for index in np.argwhere(means == best)]
        rank = {run.run_id: place for place, run in enumerate(ordered(runs, metric))}
        # Of equal cells, the one with the run that tables rank first.
        p, r, c = min(
            tied,
            key=lambda at: min(rank[run.run_id] for run in found[panels[at[0]], rows[at[1]], columns[at[2]]]),
        )
        axes[p].add_patch(
            Rectangle((c - 0.46, r - 0.44), 0.92, 0.88, fill=False, edgecolor="black", linewidth=2)
        )
    axes[0].set_ylabel(label_of(layout.line))
    over = ",\nmean over " + ", ".join(averaged) if (averaged := averaged_fields(runs, layout)) else ""
    figure.colorbar(image, ax=axes, label=label_of(metric) + over)
    return figure


def _mean(runs: Sequence[StoredRun], metric: str) -> float:
    """Mean without NaN; NaN if there is no value."""
    values = [run.metrics[metric] for run in runs if not math.isnan(run.metrics.get(metric, math.nan))]
    return spread(values).mean if values else math.nan
