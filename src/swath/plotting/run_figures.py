"""Pictures of single runs: learning curves, confusion matrix, weights."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from swath.metrics import confusion_counts
from swath.plotting.layout import COLOURS, LINES, label_of, new_figure
from swath.tracking import Curve, Predictions

NAMED = 5
"""Best runs that are named."""


MOST_POINTS = 400
"""Points of a line; more cannot be seen."""


def draw_curves(
    best_first: Sequence[Curve], names: Sequence[str], configurations: int, repeated: bool
) -> Figure:
    """Per-step training accuracy: raw values of the best faint, moving means of all, the best ones in front.

    Args:
      best_first: a curve per configuration, the best one's first.
      names: of the configurations, in the same order.
      configurations: how many there are; more than curves where only the best ones are drawn.
      repeated: whether curves are means over several seeds.
    """
    figure, (axes,) = new_figure(8.0, 4.6)
    for index in reversed(range(len(best_first))):
        curve = best_first[index]
        steps, smooth = smoothed(curve)
        if index >= NAMED:
            axes.plot(steps, smooth, color="0.8", linewidth=0.7, zorder=1)
            continue
        colour, line = COLOURS[index % len(COLOURS)], LINES[index % len(LINES)]
        raw = slice(None, None, max(1, len(curve.steps) // MOST_POINTS))
        axes.plot(curve.steps[raw], curve.values[raw], color=colour, alpha=0.12, linewidth=0.7, zorder=2)
        label = f"{index + 1}. {names[index]}"
        axes.plot(steps, smooth, color=colour, linestyle=line, linewidth=1.6, zorder=4, label=label)
    if len(best_first) > NAMED:
        others = f"the other {len(best_first) - NAMED}"
        if configurations > len(best_first):
            others = f"the others of the best {len(best_first)} of {configurations}"
        axes.plot([], [], color="0.8", linewidth=0.7, label=others)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    over = " over steps and seeds" if repeated else ""
    axes.set_ylabel(f"{label_of(best_first[0].metric)}, moving mean{over}")
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(
        range(len(labels)), key=lambda place: (labels[place].startswith("the other"), labels[place])
    )
    axes.legend(
        [handles[place] for place in order], [labels[place] for place in order], frameon=False, fontsize=8
    )
    return figure


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of the curves of one configuration's seeds, at the steps that all of them have.

    Args:
      curves: at least one, of the same metric.
    """
    first = curves[0]
    steps = np.unique(first.steps)
    for curve in curves[1:]:
        steps = np.intersect1d(steps, curve.steps)
    values = [curve.values[np.searchsorted(curve.steps, steps)] for curve in curves]
    return Curve(first.run_id, first.metric, steps, np.mean(values, axis=0))


def smoothed(curve: Curve) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A moving mean over a twentieth of a curve, at no more than `MOST_POINTS` steps.

    Returns:
      Steps and means; the mean at a step is that of the values up to it.
    """
    finite = np.isfinite(curve.values)
    steps, values = curve.steps[finite], curve.values[finite]
    window = max(1, len(values) // 20)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.unique(np.linspace(window, len(values), min(MOST_POINTS, len(values))).astype(np.int64))
    return steps[ends - 1], (sums[ends] - sums[ends - window]) / window


def draw_confusion(predictions: Predictions, class_names: Sequence[str], title: str) -> Figure:
    """How many images of each class are taken for which: rows are true classes, columns predicted ones.

    Shades are shares of a row; numbers are images.

    Args:
      predictions: of the run.
      class_names: in the order of their numbers.
      title: above the picture.
    """
    counts = confusion_counts(predictions.labels, predictions.classes, len(class_names))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure, (axes,) = new_figure(6.4, 5.4)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(class_names)), class_names, rotation=45, ha="right")
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="share of the images of the true class")
    return figure


def draw_weight_sheets(sheets: Sequence[tuple[str, Image.Image]]) -> Figure:
    """Pictures of weights side by side, as a run's own file shows them.

    Args:
      sheets: of each, its title and picture.
    """
    figure, axes = new_figure(6.0 * len(sheets), 3.3, len(sheets))
    for place, (title, picture) in zip(axes, sheets, strict=True):
        place.imshow(np.asarray(picture))
        place.set_title(title, fontsize=10)
        place.axis("off")
    return figure
