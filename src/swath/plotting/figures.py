"""Draws all figures of a sweep."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from swath.analysis import (
    REPEATED_BY,
    Configuration,
    Sweep,
    have_several_seeds,
    latest,
    metric_of,
    ordered,
    ordered_configurations,
)
from swath.datasets import DATASETS
from swath.errors import SwathError
from swath.models import DEFAULT_MODEL, MODELS
from swath.plotting.grid_figures import draw_accuracy, draw_heat_map
from swath.plotting.layout import MOST_COLUMNS, label_of, layout_of, save, values_of
from swath.plotting.run_figures import draw_confusion, draw_curves, draw_weight_sheets, mean_curve
from swath.tracking import Curve, Reader, StoredRun, read_arrays, read_class_names, read_predictions, schema

CURVE = schema.TRAIN_ACCURACY


MOST_CURVES = 200
"""Learning curves in a figure: those of the best configurations."""


def draw_sweep(
    reader: Reader, sweep: Sweep, folder: Path, kind: str, metric: str | None = None
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
        return [save(figure, folder, name, kind) for name, figure in _figures(reader, sweep, metric)]
    except OSError as error:
        raise SwathError(f"cannot write figures to {folder}: {error.strerror or error}") from error


def _figures(reader: Reader, sweep: Sweep, metric: str | None) -> Iterator[tuple[str, Figure]]:
    runs = latest(sweep.finished)
    ranked_by = metric_of(runs, metric)
    best_first = ordered(runs, ranked_by)
    layout = layout_of(sweep.swept, runs)
    if layout is not None:
        yield "accuracy", draw_accuracy(runs, layout, ranked_by)
        if layout.line is not None and len(values_of(runs, layout.along)) <= MOST_COLUMNS:
            yield "heat_map", draw_heat_map(runs, layout, ranked_by)
    lines = ordered_configurations(runs, ranked_by)
    found = _learning_curves(reader, lines[:MOST_CURVES], sweep.swept)
    if found:
        curves, names = zip(*found, strict=True)
        yield "learning_curves", draw_curves(curves, names, len(lines), have_several_seeds(runs))
    yield from _best_figures(best_first, sweep.swept, ranked_by)


def _learning_curves(
    reader: Reader, configurations: Sequence[Configuration], swept: Sequence[str]
) -> list[tuple[Curve, str]]:
    """The learning curve of each configuration, as a mean over seeds, and its name."""
    run_ids = [run.run_id for found in configurations for run in found.by_seed.values()]
    curves = {curve.run_id: curve for curve in reader.curves(run_ids, [CURVE])}
    drawn = []
    for configuration in configurations:
        seeds = [curves[run.run_id] for run in configuration.by_seed.values() if run.run_id in curves]
        fields = [field for field in swept if len(seeds) < 2 or field not in REPEATED_BY]
        if seeds:
            drawn.append((mean_curve(seeds), configuration.members[-1].named_by(fields)))
    return drawn


def _best_figures(
    best_first: Sequence[StoredRun], swept: Sequence[str], metric: str
) -> Iterator[tuple[str, Figure]]:
    ranked = [run for run in best_first if math.isfinite(run.metrics.get(metric, math.nan))]
    if not ranked:
        return
    ends = ranked[:1] if len(ranked) == 1 else [ranked[0], ranked[-1]]
    classes = read_class_names(ends[0])
    sheets = [
        (
            f"{which}, {label_of(metric)} {run.metrics[metric]:.3f}\n{run.named_by(swept)}",
            _picture(run, classes),
        )
        for which, run in zip(("best run", "worst run"), ends, strict=False)
    ]
    yield "weights", draw_weight_sheets(sheets)
    predictions = read_predictions(ends[0], "test")
    if predictions is not None:
        title = f"best run, test accuracy {predictions.correct.mean():.3f}\n{ends[0].named_by(swept)}"
        yield "confusion", draw_confusion(predictions, classes, title)


def _picture(run: StoredRun, class_names: tuple[str, ...]) -> Image.Image:
    """What a run learned, as a picture."""
    arrays = read_arrays(run, schema.WEIGHTS_FILE)
    return MODELS[DEFAULT_MODEL].draw(arrays, DATASETS[run.params[schema.DATA_NAME]].image_shape, class_names)
