"""Accuracy along a hyperparameter: one line per value of another, with intervals."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swath.comparing.frame import typed
from swath.comparing.judged import images_of
from swath.comparing.statistics import spread, wilson_interval
from swath.plotting.grid import Layout, chosen, values_of, varying_params
from swath.plotting.style import COLOURS, LINES, MARKERS, is_logarithmic, label_of, new_figure, set_scale
from swath.reading.records import StoredRun


def draw_accuracy(runs: Sequence[StoredRun], layout: Layout, metric: str) -> Figure:
    """A panel per value of `layout.panel`, in it a line per value of `layout.line`.

    Error bars are 95 % Wilson intervals of an accuracy; where a configuration was repeated with several
    seeds, the point is their mean and the bars are one standard deviation.

    Args:
      runs: finished.
      layout: which field goes where.
      metric: drawn upwards.
    """
    panels = values_of(runs, layout.panel)
    figure, axes = new_figure(max(6.4, 4.4 * len(panels)), 4.2, len(panels))
    for place, panel in zip(axes, panels, strict=True):
        inside = chosen(runs, layout.panel, panel)
        for index, line in enumerate(values_of(runs, layout.line)):
            _draw_line(place, chosen(inside, layout.line, line), layout.along, metric, index, line)
        set_scale(place, [float(typed(layout.along, run.params[layout.along])) for run in runs])
        if metric.endswith("/loss") and is_logarithmic([run.metrics.get(metric, 0.0) for run in runs]):
            place.set_yscale("log")  # losses of learning rates that are too large are a thousand times others
        place.set_xlabel(label_of(layout.along))
        if layout.panel is not None:
            place.set_title(f"{layout.panel} = {panel}")
    axes[0].set_ylabel(label_of(metric) + _what_bars_are(runs, layout, metric))
    if layout.line is not None:
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            title=label_of(layout.line),
            loc="outside right upper",
            frameon=False,
        )
    return figure


def _what_bars_are(runs: Sequence[StoredRun], layout: Layout, metric: str) -> str:
    fields = [field for field in (layout.along, layout.line, layout.panel) if field is not None]
    points = {tuple(run.params.get(field) for field in fields) for run in runs}
    if len(points) < len(runs):
        averaged = [name for name in varying_params(runs) if name not in fields]
        return f",\nmean and s.d. over {', '.join(averaged)}"
    return ", 95 % interval" if any(_bars([run], metric) != (0.0, 0.0) for run in runs) else ""


def _draw_line(
    axes: Axes, runs: Sequence[StoredRun], along: str, metric: str, index: int, value: object
) -> None:
    points, lows, highs = [], [], []
    positions = values_of(runs, along)
    for position in positions:
        here = [
            run for run in chosen(runs, along, position) if math.isfinite(run.metrics.get(metric, math.nan))
        ]
        found = spread([run.metrics[metric] for run in here]) if here else None
        points.append(math.nan if found is None else found.mean)
        low, high = _bars(here, metric)
        lows.append(low)
        highs.append(high)
    axes.errorbar(
        [float(str(position)) for position in positions],
        points,
        yerr=[lows, highs],
        marker=MARKERS[index % len(MARKERS)],
        linestyle=LINES[index % len(LINES)],
        color=COLOURS[index % len(COLOURS)],
        markersize=5,
        linewidth=1.2,
        elinewidth=0.8,
        capsize=2,
        label=str(value),
    )


def _bars(runs: Sequence[StoredRun], metric: str) -> tuple[float, float]:
    """How far the bar reaches below and above the point."""
    if len(runs) > 1:
        deviation = spread([run.metrics[metric] for run in runs]).deviation
        return deviation, deviation
    split, _, kind = metric.partition("/")
    images = images_of(runs[0], split) if runs and kind == "accuracy" else 0
    if not images:
        return 0.0, 0.0
    value = runs[0].metrics[metric]
    low, high = wilson_interval(value, images)
    return max(0.0, value - low), max(0.0, high - value)
