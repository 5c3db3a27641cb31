"""Accuracy over two hyperparameters, as a map."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from swath.comparing.statistics import spread
from swath.plotting.grid import Layout, averaged_fields, cells, values_of
from swath.plotting.style import label_of, new_figure
from swath.ranking import larger_is_better
from swath.reading.records import StoredRun


def draw_heat_map(runs: Sequence[StoredRun], layout: Layout, metric: str) -> Figure:
    """A map per value of `layout.panel`: `layout.along` to the right, `layout.line` upwards.

    The best cell stands in a frame. A cell with several runs, such as several seeds, shows their mean.
    Cells that are missing or infinite stay empty.

    Args:
      runs: finished.
      layout: which field goes where; `layout.line` is not None.
      metric: shown.
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
        # Light is high: "cividis" is made to look the same to the colour-blind, and rises evenly in grey.
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
        best = np.nanargmax(means) if larger_is_better(metric) else np.nanargmin(means)
        p, r, c = (int(index) for index in np.unravel_index(best, means.shape))
        axes[p].add_patch(
            Rectangle((c - 0.46, r - 0.44), 0.92, 0.88, fill=False, edgecolor="black", linewidth=2)
        )
    axes[0].set_ylabel(label_of(layout.line))
    over = ",\nmean over " + ", ".join(averaged) if (averaged := averaged_fields(runs, layout)) else ""
    figure.colorbar(image, ax=axes, label=label_of(metric) + over)
    return figure


def _mean(runs: Sequence[StoredRun], metric: str) -> float:
    """The mean of what is a number; nan where nothing is."""
    values = [run.metrics[metric] for run in runs if not math.isnan(run.metrics.get(metric, math.nan))]
    return spread(values).mean if values else math.nan
