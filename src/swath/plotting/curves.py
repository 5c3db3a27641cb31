"""Draws per-step metrics: a line for each configuration, with a band over its seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from swath.plotting.layout import LINES, ShownFigure, SmallTicks, is_logarithmic, label_of, new_figure
from swath.plotting.palette import COLOURS
from swath.tracking import Curve

NAMED = 5
"""Best curves that are coloured and named."""

MOST_POINTS = 400
"""Points of a line."""

WINDOWS = 20
"""A moving mean covers this share of the longest curve."""

MARGIN = 0.06
"""Space above and below the lines, as a share of the axis."""


@dataclass(frozen=True)
class Line:
    """The curves of a configuration.

    Attributes:
      name: of the configuration.
      seeds: a curve per seed, at least one, all of the same metric.
    """

    name: str
    seeds: Sequence[Curve]


def draw_curves(lines: Sequence[Line], configurations: int) -> ShownFigure:
    """Draw moving means of a metric over steps; the vertical axis shows the means, not the noise.

    All lines of a figure have the same window in steps, so runs that are equal for some steps have the same
    line there. A configuration with several seeds has the mean of their lines, and a band of one standard
    deviation around it.

    Args:
      lines: best first.
      configurations: number of configurations; may be more than there are lines.
    """
    figure, (axes,) = new_figure(8.0, 4.6)
    window = window_of(lines)
    lowest, highest = [], []
    for index in reversed(range(len(lines))):
        steps, means, deviations = smoothed_line(lines[index], window)
        finite = means[np.isfinite(means)]
        lowest.append(finite.min(initial=np.inf))
        highest.append(finite.max(initial=-np.inf))
        if index >= NAMED:
            axes.plot(steps, means, color="0.8", linewidth=0.7, zorder=1)
            continue
        colour, dashes = COLOURS[index % len(COLOURS)], LINES[index % len(LINES)]
        if len(lines[index].seeds) > 1:
            axes.fill_between(
                steps, means - deviations, means + deviations, color=colour, alpha=0.15, linewidth=0, zorder=2
            )
        label = f"{index + 1}. {lines[index].name}"
        axes.plot(steps, means, color=colour, linestyle=dashes, linewidth=1.6, zorder=4, label=label)
    if len(lines) > NAMED:
        others = f"the other {len(lines) - NAMED}"
        if configurations > len(lines):
            others = f"the others of the best {len(lines)} of {configurations}"
        axes.plot([], [], color="0.8", linewidth=0.7, label=others)
    _set_range(figure, min(lowest), max(highest))
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    most = max(len(line.seeds) for line in lines)
    over = f",\nmean ± s.d. over {most} seeds" if most > 1 else ""
    axes.set_ylabel(f"{label_of(lines[0].seeds[0].metric)}, mean of {window} steps{over}")
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(
        range(len(labels)), key=lambda place: (labels[place].startswith("the other"), labels[place])
    )
    axes.legend(
        [handles[place] for place in order], [labels[place] for place in order], frameon=False, fontsize=8
    )
    return figure


def _set_range(figure: ShownFigure, low: float, high: float) -> None:
    """Show the range of the means; logarithmic if it spans orders of magnitude."""
    (axes,) = figure.axes
    if not np.isfinite([low, high]).all() or low == high:
        return
    if is_logarithmic([low, (low + high) / 2, high]) and high / low > 30:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(SmallTicks())
        pad = (high / low) ** MARGIN
        axes.set_ylim(low / pad, high * pad)
    else:
        axes.set_ylim(low - MARGIN * (high - low), high + MARGIN * (high - low))


def window_of(lines: Sequence[Line]) -> int:
    """Steps of the moving mean of all lines of a figure."""
    longest = max(int(curve.steps.max(initial=0)) + 1 for line in lines for curve in line.seeds)
    return max(1, longest // WINDOWS)


def smoothed_line(
    line: Line, window: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over seeds of the smoothed curves, at the steps that all seeds have.

    Args:
      line: the curves.
      window: steps of the moving mean.

    Returns:
      steps: int64 [points]
      means: float64 [points]
      deviations: float64 [points], sample standard deviation; zero for a single seed.
    """
    smoothed = [smoothed_curve(curve, window) for curve in line.seeds]
    steps = smoothed[0][0]
    for other, _ in smoothed[1:]:
        steps = np.intersect1d(steps, other)
    values = np.array([means[np.searchsorted(own, steps)] for own, means in smoothed])
    if len(values) == 1:
        return steps, values[0], np.zeros(len(steps))
    return steps, values.mean(axis=0), values.std(axis=0, ddof=1)


def smoothed_curve(curve: Curve, window: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The moving mean of a curve.

    The steps of the points do not depend on the length of the curve, except the last one.

    Args:
      curve: the curve; of a step that occurs twice, the last value counts.
      window: steps of the mean.

    Returns:
      steps: int64 [points]
      means: float64 [points], over the values of the last `window` steps up to each step; values that are not
        finite are left out, and a mean of none is NaN.
    """
    steps, last = np.unique(curve.steps[::-1], return_index=True)
    values = curve.values[::-1][last]
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    spacing = max(1, WINDOWS * window // MOST_POINTS)
    chosen = (np.diff(steps // spacing, prepend=-1) != 0) | (steps == steps.max(initial=0))
    ends = np.flatnonzero(chosen) + 1
    starts = np.searchsorted(steps, steps[chosen] - window, side="right")
    with np.errstate(invalid="ignore", divide="ignore"):
        return steps[chosen], (sums[ends] - sums[starts]) / (counts[ends] - counts[starts])
