"""Draws all figures of a sweep: of its grid, its curves, and its best run."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from swath import analysis, tracking
from swath.datasets import DATASETS
from swath.errors import SwathError
from swath.metrics import confusion_counts
from swath.models import model_of
from swath.plotting.grid_figures import draw_accuracy, draw_heat_map
from swath.plotting.layout import (
    LINES,
    MOST_COLUMNS,
    label_of,
    layout_of,
    new_figure,
    save,
    values_of,
)
from swath.plotting.palette import COLOURS
from swath.tracking import schema

CURVE = schema.TRAIN_ACCURACY


MOST_CURVES = 200
"""Learning curves in a figure: those of the best configurations."""


def draw_sweep(
    reader: tracking.Reader, sweep: analysis.Sweep, folder: Path, kind: str, metric: str | None = None
) -> list[Path]:
    """Draw the figures of a sweep into a folder.

    The figures are `accuracy`, `heat_map`, `learning_curves`, `weights` and `confusion`, without those that
    need more fields or runs than the sweep has.

    Args:
      reader: reader of the sweep's store.
      sweep: a sweep with at least one finished run.
      folder: created if it does not exist.
      kind: `png` or `svg`.
      metric: metric to rank by; None for the default.

    Returns:
      The paths of the figures.

    Raises:
      SwathError: the folder cannot be written, or a run's files cannot be read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [save(figure, folder, name, kind) for name, figure in figures_of(reader, sweep, metric)]
    except OSError as error:
        raise SwathError(f"cannot write figures to {folder}: {error.strerror or error}") from error


def figures_of(
    reader: tracking.Reader, sweep: analysis.Sweep, metric: str | None
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each plot of a sweep; see `draw_sweep`."""
    runs = analysis.latest(sweep.finished)
    ranked_by = analysis.metric_of(runs, metric)
    best_first = analysis.ordered(runs, ranked_by)
    layout = layout_of(sweep.swept, runs)
    if layout is not None:
        yield "accuracy", draw_accuracy(runs, layout, ranked_by)
        if layout.line is not None and len(values_of(runs, layout.along)) <= MOST_COLUMNS:
            yield "heat_map", draw_heat_map(runs, layout, ranked_by)
    lines = analysis.ordered_configurations(runs, ranked_by)
    found = _learning_curves(reader, lines[:MOST_CURVES], sweep.swept)
    if found:
        curves, names = zip(*found, strict=True)
        yield "learning_curves", draw_curves(curves, names, len(lines), analysis.have_several_seeds(runs))
    yield from _best_figures(best_first, sweep.swept, ranked_by)


def _learning_curves(
    reader: tracking.Reader, configurations: Sequence[analysis.Configuration], swept: Sequence[str]
) -> list[tuple[tracking.Curve, str]]:
    """The learning curve of each configuration, as a mean over seeds, and its name."""
    run_ids = [run.run_id for found in configurations for run in found.by_seed.values()]
    curves = {curve.run_id: curve for curve in reader.curves(run_ids, [CURVE])}
    drawn = []
    for configuration in configurations:
        seeds = [curves[run.run_id] for run in configuration.by_seed.values() if run.run_id in curves]
        fields = [field for field in swept if len(seeds) < 2 or field not in analysis.REPEATED_BY]
        if seeds:
            drawn.append((mean_curve(seeds), configuration.members[-1].named_by(fields)))
    return drawn


def _best_figures(
    best_first: Sequence[tracking.StoredRun], swept: Sequence[str], metric: str
) -> Iterator[tuple[str, Figure]]:
    ranked = [run for run in best_first if math.isfinite(run.metrics.get(metric, math.nan))]
    if not ranked:
        return
    ends = ranked[:1] if len(ranked) == 1 else [ranked[0], ranked[-1]]
    classes = tracking.read_class_names(ends[0])
    sheets = [
        (
            f"{which}, {label_of(metric)} {run.metrics[metric]:.3f}\n{run.named_by(swept)}",
            _picture(run, classes),
        )
        for which, run in zip(("best run", "worst run"), ends, strict=False)
    ]
    yield "weights", draw_weight_sheets(sheets)
    predictions = tracking.read_predictions(ends[0], "test")
    if predictions is not None:
        title = f"best run, test accuracy {predictions.correct.mean():.3f}\n{ends[0].named_by(swept)}"
        yield "confusion", draw_confusion(predictions, classes, title)


def _picture(run: tracking.StoredRun, class_names: tuple[str, ...]) -> Image.Image:
    """What a run learned, as a picture."""
    arrays = tracking.read_arrays(run, schema.WEIGHTS_FILE)
    return model_of(run.params).draw(arrays, DATASETS[run.params[schema.DATA_NAME]].image_shape, class_names)


NAMED = 5
"""Best curves that are coloured and named."""

MOST_POINTS = 400
"""Points of a line."""

MOST_NUMBERED_CLASSES = 10
"""Classes of a confusion matrix; with more classes its cells are too small for numbers."""

MOST_CLASS_LABELS = 25
"""Class names along an axis; with more classes only every Nth is named."""


def draw_curves(
    best_first: Sequence[tracking.Curve], names: Sequence[str], configurations: int, repeated: bool
) -> Figure:
    """Draw per-step training accuracy: moving means of all curves, and faint raw values of the best ones.

    Args:
      best_first: a curve per configuration, best first.
      names: names of the configurations, in the same order.
      configurations: number of configurations; may be more than there are curves.
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


def mean_curve(curves: Sequence[tracking.Curve]) -> tracking.Curve:
    """The mean over the seeds of a configuration, at the steps that all curves have.

    Args:
      curves: at least one curve, all of the same metric.
    """
    first = curves[0]
    steps = np.unique(first.steps)
    for curve in curves[1:]:
        steps = np.intersect1d(steps, curve.steps)
    values = [curve.values[np.searchsorted(curve.steps, steps)] for curve in curves]
    return tracking.Curve(first.run_id, first.metric, steps, np.mean(values, axis=0))


def smoothed(curve: tracking.Curve) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The moving mean over a twentieth of a curve, at no more than `MOST_POINTS` steps.

    Returns:
      steps: int64 [points]
      means: float64 [points], each over the values up to its step; values that are not finite are left out.
    """
    finite = np.isfinite(curve.values)
    steps, values = curve.steps[finite], curve.values[finite]
    window = max(1, len(values) // 20)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.unique(np.linspace(window, len(values), min(MOST_POINTS, len(values))).astype(np.int64))
    return steps[ends - 1], (sums[ends] - sums[ends - window]) / window


def draw_confusion(predictions: tracking.Predictions, class_names: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix: rows are true classes, columns are predicted classes.

    Shades show the share of each row; numbers, for up to `MOST_NUMBERED_CLASSES` classes, count images.

    Args:
      predictions: labels and predicted classes of a run.
      class_names: class names by class index.
      title: title of the figure.
    """
    counts = confusion_counts(predictions.labels, predictions.classes, len(class_names))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure, (axes,) = new_figure(6.4, 5.4)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    if len(class_names) <= MOST_NUMBERED_CLASSES:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    shown = range(0, len(class_names), -(-len(class_names) // MOST_CLASS_LABELS))
    labels = [class_names[index] for index in shown]
    axes.set_xticks(shown, labels, rotation=45, ha="right")
    axes.set_yticks(shown, labels)
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
