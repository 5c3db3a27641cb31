"""Hyperparameter importance: the share of a metric's variance that each hyperparameter explains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.analysis.lines import short_lines
from swath.analysis.ranking import REPEATED_BY
from swath.tracking import StoredRun


@dataclass(frozen=True)
class Effect:
    """The main effect of a hyperparameter on a metric, averaged over all other hyperparameters.

    Attributes:
      name: the hyperparameter.
      share: share of the metric's variance over the grid, 0..1.
      means: mean of the metric for each value of the hyperparameter.
    """

    name: str
    share: float
    means: dict[str, float]


@dataclass(frozen=True)
class Effects:
    """The decomposition of a metric's variance over a full grid; shares are 0..1 and add up to 1.

    Attributes:
      fields: main effect of each hyperparameter that varies, largest share first.
      interaction: share explained by combinations of hyperparameters beyond their main effects.
      residual: share of the differences between repetitions; None if nothing is repeated.
    """

    fields: tuple[Effect, ...]
    interaction: float
    residual: float | None


def main_effects(grid: Mapping[str, Sequence[str]], values: Sequence[float]) -> Effects | None:
    """Decompose the variance of a metric over a full grid with equally many runs per cell.

    On such a grid the sums of squares of the main effects are orthogonal, so shares add up (Montgomery,
    *Design and Analysis of Experiments*, chapter 5).

    Args:
      grid: for each hyperparameter, its value in each run.
      values: the metric of each run.

    Returns:
      None if the runs are not a full grid, a value is not finite, or all values are equal.
    """
    grid = {name: column for name, column in grid.items() if len(set(column)) > 1}
    if not grid or not all(math.isfinite(value) for value in values):
        return None
    metric = np.asarray(values, np.float64)
    if math.isclose(metric.min(), metric.max(), rel_tol=1e-9):
        return None
    cells: dict[tuple[str, ...], list[float]] = {}
    for cell, value in zip(zip(*grid.values(), strict=True), values, strict=True):
        cells.setdefault(cell, []).append(value)
    repetitions = {len(cell) for cell in cells.values()}
    if len(cells) != math.prod(len(set(column)) for column in grid.values()) or len(repetitions) > 1:
        return None
    total = _squares(metric)
    effects = [_effect(name, np.asarray(column), metric, total) for name, column in grid.items()]
    within = sum(_squares(np.asarray(cell)) for cell in cells.values()) / total
    interaction = max(0.0, 1 - within - sum(effect.share for effect in effects))
    effects.sort(key=lambda effect: -effect.share)
    return Effects(tuple(effects), interaction, None if repetitions == {1} else within)


def _effect(name: str, column: NDArray[np.str_], metric: NDArray[np.float64], total: float) -> Effect:
    means = {value: float(metric[column == value].mean()) for value in dict.fromkeys(column.tolist())}
    explained = sum(
        np.count_nonzero(column == value) * (mean - metric.mean()) ** 2 for value, mean in means.items()
    )
    return Effect(name, float(explained) / total, means)


def _squares(values: NDArray[np.float64]) -> float:
    """Sum of squared differences from the mean."""
    return float(np.square(values - values.mean()).sum())


def importance_lines(effects: Effects, metric: str, repeated_by: str | None) -> list[str]:
    """Importance in sentences: shares of the variance, then the extreme means of each field.

    `Variance in validation/accuracy: learning_rate 91%, batch_size 4%, interaction 5%.`

    Args:
      effects: effects on a grid.
      metric: the metric.
      repeated_by: the field that differs between repetitions, such as `seed`; None if nothing is repeated.
    """
    parts = [f"{effect.name} {effect.share:.0%}" for effect in effects.fields]
    if len(effects.fields) > 1:
        parts.append(f"interaction {effects.interaction:.0%}")
    if effects.residual is not None and repeated_by is not None:
        parts.append(f"{repeated_by} {effects.residual:.0%}")
    shares = short_lines(f"Variance in {metric}: {', '.join(parts)}.")
    return [*shares, *(line for effect in effects.fields for line in short_lines(_range(effect)))]


def _range(effect: Effect) -> str:
    low, high = (choose(effect.means, key=effect.means.__getitem__) for choose in (min, max))
    if low == high:
        return f"Means by {effect.name}: {effect.means[low]:.4f} for all values."
    return (
        f"Means by {effect.name}: lowest {effect.means[low]:.4f} at {low}, highest {effect.means[high]:.4f} "
        f"at {high}."
    )


def importance_notes(
    runs: Sequence[StoredRun], swept: Sequence[str], metric: str, repeated: bool
) -> list[str]:
    """The importance of the fields of a grid in sentences; empty if the runs are no grid, or of one field."""
    effects = effects_of(runs, swept, metric)
    if effects is None or (len(effects.fields) < 2 and not repeated):
        return []  # a single field explains everything
    repeated_by = ", ".join(field for field in REPEATED_BY if field in swept)
    return importance_lines(effects, metric, repeated_by if repeated else None)


def effects_of(runs: Sequence[StoredRun], swept: Sequence[str], metric: str) -> Effects | None:
    """The effects of the fields that vary; None if the runs are no grid."""
    fields = [field for field in swept if field not in REPEATED_BY]
    grid = {field: [run.params.get(field, "") for run in runs] for field in fields}
    return main_effects(grid, [run.metrics.get(metric, math.nan) for run in runs])
