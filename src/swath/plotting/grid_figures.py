"""Draws a metric over the grid: lines over one hyperparameter, heat maps over two."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from swath.analysis import images_of, ordered, spread, wilson_interval
from swath.plotting.layout import (
    LINES,
    MARKERS,
    Layout,
    ShownFigure,
    SmallTicks,
    averaged_fields,
    cells,
    is_logarithmic,
    label_of,
    new_figure,
    set_scale,
    values_of,
)
from swath.plotting.palette import value_colours
from swath.tracking import StoredRun, data_sizes, schema

BEST, GUESSING = MARKED = ("best", "guessing")
"""Labels of what is not a value of a field."""

MAX_SHIFT = 0.02
"""Horizontal distance of the points of the first and the last line, as a share of the axis."""


def draw_accuracy(runs: Sequence[StoredRun], layout: Layout, metric: str) -> ShownFigure:
    """Draw a metric over the grid, with the test accuracy below it where another metric ranks.

    There is a panel per value of `layout.panel` and a line per value of `layout.line`. Error bars are 95%
    Wilson intervals of an accuracy. For configurations with several seeds, points are means and error bars
    are one standard deviation. A ring marks the best point, a dotted line the accuracy of guessing, if
    it is near the points.

    Args:
      runs: finished runs, at least one.
      layout: the roles of the swept fields.
      metric: the metric that ranks.
    """
    shown = [metric]
    if metric != schema.TEST_ACCURACY and any(schema.TEST_ACCURACY in run.metrics for run in runs):
        shown.append(schema.TEST_ACCURACY)
    panels = values_of(runs, layout.panel)
    figure, axes = new_figure(max(6.4, 4.4 * len(panels)), 4.2 * len(shown), len(panels), len(shown))
    best = ordered(runs, metric)[0]
    for row, name in enumerate(shown):
        in_row = axes[row * len(panels) : (row + 1) * len(panels)]
        for place, panel in zip(in_row, panels, strict=True):
            _draw_panel(place, runs, layout, name, panel, best)
            if row == 0 and layout.panel is not None:
                place.set_title(f"{layout.panel} = {panel}")
            if row == len(shown) - 1:
                place.set_xlabel(label_of(layout.along))
        _mark_guessing(in_row, runs, name)
        in_row[0].set_ylabel(label_of(name) + _bar_label(runs, layout, name))
    named = {
        label: handle
        for place in axes
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True)
    }
    labels = [
        *(label for label in map(str, values_of(runs, layout.line)) if label in named),
        *sorted(label for label in named if label.startswith(MARKED)),
    ]
    title = None if layout.line is None else label_of(layout.line)
    handles = [named[label] for label in labels]
    figure.legend(handles, labels, title=title, loc="outside right upper", frameon=False)
    return figure


def _draw_panel(
    axes: Axes, runs: Sequence[StoredRun], layout: Layout, metric: str, panel: Any, best: StoredRun
) -> None:
    lines = values_of(runs, layout.line)
    along = [float(position) for position in values_of(runs, layout.along)]
    colours = value_colours(lines)
    found = cells(runs, layout)
    set_scale(axes, along)
    here = {position for member, _, position in found if member == panel}
    if len(here) == 1 and is_logarithmic(along):  # else Matplotlib divides by the width of the axis
        axes.set_xlim(min(along), max(along))
    for index, line in enumerate(lines):
        points = {
            position: found[panel, line, position] for position in along if (panel, line, position) in found
        }
        label = None if layout.line is None else str(line)
        shift = _shift(along, index, len(lines))
        _draw_line(axes, points, metric, index, colours[line], label, shift)
        if marked := [position for position, members in points.items() if best in members]:
            value = _mean(points[marked[0]], metric)
            ring: dict[str, Any] = {
                "marker": "o",
                "s": 170,
                "facecolors": "none",
                "edgecolors": "#D55E00",
                "linewidths": 2,
            }
            axes.scatter([shift(marked[0])], [value], label=BEST, zorder=5, **ring)
    if schema.is_loss(metric) and is_logarithmic([run.metrics.get(metric, 0.0) for run in runs]):
        axes.set_yscale("log")  # too large a learning rate gives a loss a thousand times larger
        axes.yaxis.set_minor_locator(SmallTicks())


def _mark_guessing(row: Sequence[Axes], runs: Sequence[StoredRun], metric: str) -> None:
    """Mark the accuracy of guessing in a row of panels; only name it where it would flatten the lines."""
    sizes = data_sizes(runs[0])
    if not schema.is_accuracy(metric) or sizes is None:
        return
    guessed = 1 / sizes.classes
    low, high = row[0].get_ylim()  # of the lines: the panels of a row share their axis
    style: dict[str, Any] = {"color": "0.5", "linestyle": ":", "linewidth": 1}
    for axes in row:
        if low - guessed <= high - low:
            axes.axhline(guessed, label=GUESSING, **style)
        else:
            axes.plot([], [], label=f"{GUESSING}: {guessed:.3g}", **style)


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
    colour: str,
    label: str | None,
    shift: Callable[[float], float],
) -> None:
    positions, means, bars = [], [], []
    for position, runs in points.items():
        here = [run for run in runs if math.isfinite(run.metrics.get(metric, math.nan))]
        positions.append(shift(position))
        means.append(spread([run.metrics[metric] for run in here]).mean if here else math.nan)
        bars.append(_bars(here, metric))
    style: dict[str, Any] = {
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)],
        "color": colour,
        "markersize": 5,
        "linewidth": 1.2,
        "label": label,
    }
    if not any(map(math.isfinite, means)):  # the bars of no point make Matplotlib divide by zero
        axes.plot([], [], **style)
        return
    axes.errorbar(positions, means, yerr=list(zip(*bars, strict=True)), elinewidth=0.8, capsize=2, **style)


def _bars(runs: Sequence[StoredRun], metric: str) -> tuple[float, float]:
    """Length of the error bar below and above the point."""
    if len(runs) > 1:
        std = spread([run.metrics[metric] for run in runs]).std
        return std, std
    value = runs[0].metrics.get(metric, math.nan) if runs else math.nan
    images = images_of(runs[0], metric) if runs else 0
    if not images or math.isnan(value):
        return 0.0, 0.0
    low, high = wilson_interval(value, images)
    return max(0.0, value - low), max(0.0, high - value)


def draw_heat_map(runs: Sequence[StoredRun], layout: Layout, metric: str) -> ShownFigure:
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
            [str(value) for value in columns],
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
