"""Draws all figures of a sweep: of its grid, its curves, and its best run."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from PIL import Image

from swath import analysis, tracking
from swath.errors import SwathError
from swath.metrics import confusion_counts
from swath.models import DEFAULT_MODEL, MODELS
from swath.plotting.curves import Line, draw_curves
from swath.plotting.grid_figures import draw_accuracy, draw_heat_map
from swath.plotting.layout import (
    DPI,
    MOST_COLUMNS,
    MOST_PANELS,
    Layout,
    ShownFigure,
    label_of,
    layout_along,
    layout_of,
    new_figure,
    resize,
    save,
    values_of,
)
from swath.plotting.search_figures import draw_best_so_far, draw_rungs
from swath.plotting.search_slices import draw_importance, draw_slices
from swath.tracking import schema

MOST_CURVES = 200
"""Learning curves in a figure: those of the best configurations."""


@dataclass(frozen=True)
class PlotStyle:
    """How figures are written.

    Attributes:
      kind: `png`, `svg` or `pdf`.
      dpi: dots per inch of a `png`.
      size: width and height in inches; None for a size that suits each figure.
    """

    kind: str = "png"
    dpi: int = DPI
    size: tuple[float, float] | None = None


def draw_sweep(
    reader: tracking.Reader,
    sweep: analysis.Sweep,
    folder: Path,
    store: str,
    metric: str | None = None,
    style: PlotStyle = PlotStyle(),
) -> list[Path]:
    """Draw the figures of a sweep into a folder; see `figures_of`.

    Args:
      reader: reader of the sweep's store.
      sweep: a sweep with at least one finished run.
      folder: created if it does not exist.
      store: address of the store without passwords, for display.
      metric: metric to rank by; None for the default.
      style: how figures are written.

    Returns:
      The paths of the figures.

    Raises:
      UsageError: a figure has no room in this size; nothing was written.
      SwathError: the folder cannot be written, or a run's files cannot be read.
    """
    paths = []
    try:
        figures = []
        for name, figure in figures_of(reader, sweep, metric):
            figure.supxlabel(sweep.heading(store), fontsize=6, color="0.5", parse_math=False)
            if style.size is not None:
                resize(figure, name, style.size)
            figures.append((name, figure))
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures:
            paths.append(save(figure, folder, name, style.kind, style.dpi))
    except OSError as error:
        raise SwathError(f"cannot write figures to {folder}: {error.strerror or error}") from error
    return paths


def figures_of(
    reader: tracking.Reader, sweep: analysis.Sweep, metric: str | None
) -> Iterator[tuple[str, ShownFigure]]:
    """Name and figure of each plot of a sweep.

    They are `accuracy`, `accuracy_by_steps`, `heat_map`, `learning_curves`, `loss_curves`, `weights` and
    `confusion`, without those that need more fields or runs than the sweep has; of a search, `best_so_far`,
    `rungs`, `slices` and `importance` instead of the first three, whose runs would have different lengths.
    """
    runs = analysis.latest(sweep.finished)
    history = analysis.history_of(reader, sweep)
    ranked_by = analysis.metric_of(runs, metric or (history.objective if history else None))
    best_first = analysis.ordered(runs, ranked_by)
    layout = layout_of(sweep.swept, runs)
    if history is not None:
        yield from _search_figures(history)
    elif layout is not None:
        yield "accuracy", draw_accuracy(runs, layout, ranked_by)
        by_steps = layout_along(schema.MAX_STEPS, layout)
        if by_steps is not None:
            yield (
                "accuracy_by_steps",
                draw_accuracy(_of_best(runs, by_steps, best_first[0]), by_steps, ranked_by),
            )
        if layout.line is not None and len(values_of(runs, layout.along)) <= MOST_COLUMNS:
            yield "heat_map", draw_heat_map(runs, layout, ranked_by)
    configurations = analysis.ordered_configurations(runs, ranked_by)
    for name, per_step in (("learning_curves", schema.TRAIN_ACCURACY), ("loss_curves", schema.TRAIN_LOSS)):
        lines = _lines(reader, configurations[:MOST_CURVES], sweep.swept, per_step)
        if lines:
            yield name, draw_curves(lines, len(configurations))
    yield from _best_figures(best_first, sweep.swept, ranked_by)


def _search_figures(history: analysis.SearchHistory) -> Iterator[tuple[str, ShownFigure]]:
    importances = analysis.importance_in(history)
    figures = {
        "best_so_far": draw_best_so_far(history),
        "rungs": draw_rungs(history),
        "slices": draw_slices(history, importances),
        "importance": draw_importance(importances),
    }
    yield from ((name, figure) for name, figure in figures.items() if figure is not None)


def _of_best(
    runs: Sequence[tracking.StoredRun], layout: Layout, best: tracking.StoredRun
) -> list[tracking.StoredRun]:
    """The runs, or those in the panel of the best one if there are too many panels."""
    if len(values_of(runs, layout.panel)) <= MOST_PANELS or layout.panel is None:
        return list(runs)
    return [run for run in runs if run.params.get(layout.panel) == best.params.get(layout.panel)]


def _lines(
    reader: tracking.Reader,
    configurations: Sequence[analysis.Configuration],
    swept: Sequence[str],
    metric: str,
) -> list[Line]:
    """The curves of each configuration."""
    run_ids = [run.run_id for found in configurations for run in found.by_seed.values()]
    curves = {curve.run_id: curve for curve in reader.curves(run_ids, [metric])}
    drawn = []
    for configuration in configurations:
        seeds = [curves[run.run_id] for run in configuration.by_seed.values() if run.run_id in curves]
        fields = [field for field in swept if len(seeds) < 2 or field not in analysis.REPEATED_BY]
        if seeds:
            drawn.append(Line(configuration.members[-1].named_by(fields), seeds))
    return drawn


def _best_figures(
    best_first: Sequence[tracking.StoredRun], swept: Sequence[str], metric: str
) -> Iterator[tuple[str, ShownFigure]]:
    ranked = [run for run in best_first if math.isfinite(run.metrics.get(metric, math.nan))]
    if not ranked:
        return
    ends = ranked[:1] if len(ranked) == 1 else [ranked[0], ranked[-1]]
    sheets = [
        (f"{which}, {label_of(metric)} {run.metrics[metric]:.3f}\n{run.named_by(swept)}", picture)
        for which, run in zip(("best run", "worst run"), ends, strict=False)
        if (picture := _picture(run)) is not None
    ]
    if sheets:
        yield "weights", draw_weight_sheets(sheets)
    predictions = tracking.read_predictions(ends[0], "test")
    if predictions is not None:
        title = f"best run, test accuracy {predictions.correct.mean():.3f}\n{ends[0].named_by(swept)}"
        classes = tracking.read_class_names(ends[0])
        yield "confusion", draw_confusion(predictions, classes, title)


def _picture(run: tracking.StoredRun) -> Image.Image | None:
    """What a run learned, as a picture; None if its model has no picture, or is not installed here."""
    model = MODELS.get(run.params.get(schema.MODEL_NAME, DEFAULT_MODEL))
    if model is None or model.picture is None:
        return None
    sizes = tracking.data_sizes(run)
    if sizes is None:
        raise SwathError(f"run {run.run_id}: the shape of its images is not known")
    arrays = tracking.read_arrays(run, schema.WEIGHTS_FILE)
    return model.draw(arrays, sizes.image_shape, tracking.read_class_names(run))


MOST_NUMBERED_CLASSES = 10
"""Classes of a confusion matrix; with more classes its cells are too small for numbers."""

MOST_CLASS_LABELS = 25
"""Class names along an axis; with more classes only every Nth is named."""


def draw_confusion(predictions: tracking.Predictions, class_names: Sequence[str], title: str) -> ShownFigure:
    """Draw a confusion matrix: rows are true classes, columns are predicted classes.

    Shades show the share of each row; numbers, for up to `MOST_NUMBERED_CLASSES` classes, count images.

    Args:
      predictions: labels and predicted classes of a run.
      class_names: class names by class index.
      title: title of the figure.
    """
    counts = confusion_counts(predictions.labels, predictions.classes, len(class_names))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    largest = max(float(shares.max(initial=0.0)), 1e-9)
    figure, (axes,) = new_figure(6.4, 5.4)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=largest)
    if len(class_names) <= MOST_NUMBERED_CLASSES:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > largest / 2 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    shown = range(0, len(class_names), -(-len(class_names) // MOST_CLASS_LABELS))
    labels = [class_names[index] for index in shown]
    size = None if len(class_names) <= MOST_NUMBERED_CLASSES else 7
    axes.set_xticks(shown, labels, rotation=45, ha="right", fontsize=size)
    axes.set_yticks(shown, labels, fontsize=size)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="share of each true class (numbers: images)")
    return figure


def draw_weight_sheets(sheets: Sequence[tuple[str, Image.Image]]) -> ShownFigure:
    """Pictures of weights side by side, each with the scale of its colours.

    Args:
      sheets: of each, its title and picture; `picture.info["scale"]` is the weight that is white.
    """
    figure, axes = new_figure(6.4 * len(sheets), 3.2, len(sheets))
    for place, (title, picture) in zip(axes, sheets, strict=True):
        place.imshow(np.asarray(picture), interpolation="none")
        place.set_title(title, fontsize=10)
        place.axis("off")
        if scale := picture.info.get("scale"):
            colours = ScalarMappable(Normalize(-scale, scale), "gray")
            figure.colorbar(colours, ax=place, label="weight, in each channel", shrink=0.9)
    return figure
