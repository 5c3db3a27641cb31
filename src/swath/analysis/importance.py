"""Hyperparameter importance: the share of a metric's variance that each hyperparameter explains.

On a full grid it is decomposed exactly (`main_effects`); of a search, and of a grid with holes, PED-ANOVA
says what distinguishes the best.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.analysis.lines import short_lines
from swath.analysis.ped_anova import Column, Importance, best_count, ped_anova
from swath.analysis.ranking import REPEATED_BY, rank_runs
from swath.analysis.search_history import SearchHistory
from swath.config import FIELDS, typed
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
    runs: Sequence[StoredRun],
    swept: Sequence[str],
    metric: str,
    repeated: bool,
    history: SearchHistory | None = None,
) -> list[str]:
    """The importance of the fields of a sweep in sentences; empty if nothing, or only one field, varies.

    Args:
      runs: finished runs.
      swept: the fields that vary.
      metric: the metric that ranks.
      repeated: whether any configuration has several seeds.
      history: the search that the runs belong to; None for other sweeps.
    """
    if history is not None:
        return _ped_anova_lines(importance_in(history), len(_valued(history)))
    effects = effects_of(runs, swept, metric)
    if effects is None:
        return _ped_anova_lines(importance_among(runs, swept, metric), len(runs))
    if len(effects.fields) < 2 and not repeated:
        return []  # a single field explains everything
    repeated_by = ", ".join(field for field in REPEATED_BY if field in swept)
    return importance_lines(effects, metric, repeated_by if repeated else None)


def _ped_anova_lines(importances: Sequence[Importance], count: int) -> list[str]:
    if len(importances) < 2:
        return []
    shares = ", ".join(f"{each.name} {each.share:.0%}" for each in importances)
    return short_lines(f"What distinguishes the best {best_count(count)} of {count} (PED-ANOVA): {shares}.")


def effects_of(runs: Sequence[StoredRun], swept: Sequence[str], metric: str) -> Effects | None:
    """The effects of the fields that vary; None if the runs are no grid."""
    fields = [field for field in swept if field not in REPEATED_BY]
    grid = {field: [run.params.get(field, "") for run in runs] for field in fields}
    return main_effects(grid, [run.metrics.get(metric, math.nan) for run in runs])


def importance_in(history: SearchHistory) -> list[Importance]:
    """The importance of the fields of a search, largest first; see `ped_anova`.

    The best trials are those that halving kept longest, so values of different lengths are not compared.
    """
    columns: dict[str, Column] = {}
    for name, field in history.named_fields.items():
        texts = [trial.point.get(name, "") for trial in history.trials]
        if len(set(texts)) < 2:
            continue
        columns[name] = (
            [field.place_of(float(text)) if text else math.nan for text in texts]
            if field.is_interval
            else texts
        )
    places = {trial.number: place for place, trial in enumerate(history.trials)}
    return ped_anova(columns, [places[number] for number in _valued(history)])


def _valued(history: SearchHistory) -> list[int]:
    """Numbers of the trials that have a value, best first."""
    return [trial.number for trial in history.best_first if not math.isnan(trial.value)]


MOST_CHOICES = 6
"""Distinct numbers of a grid that count as choices; more are compared by their distances."""


def importance_among(runs: Sequence[StoredRun], swept: Sequence[str], metric: str) -> list[Importance]:
    """The importance of the fields of runs that are no full grid, largest first; see `ped_anova`."""
    columns = {
        field: _column(field, [run.params.get(field, "") for run in runs])
        for field in swept
        if field not in REPEATED_BY
    }
    order = rank_runs(runs, metric).order
    valued = [index for index in order if not math.isnan(runs[index].metrics.get(metric, math.nan))]
    return ped_anova(columns, valued)


def _column(field: str, texts: Sequence[str]) -> Column:
    """The values of a field of a grid: as choices, or as places in the range of many numbers."""
    found = [typed(field, text) for text in texts]
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    if len(numbers) < len(texts) or len(set(numbers)) <= MOST_CHOICES:
        return list(texts)
    if field in FIELDS and FIELDS[field].log_scale and min(numbers) > 0:
        numbers = [math.log(number) for number in numbers]
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) for number in numbers]


def leading_field(
    runs: Sequence[StoredRun], swept: Sequence[str], metric: str, history: SearchHistory | None
) -> str | None:
    """The field that matters most; None if nothing can be said.

    The parameters are those of `importance_notes`.
    """
    effects = None if history is not None else effects_of(runs, swept, metric)
    if effects is not None:
        return effects.fields[0].name
    found = importance_among(runs, swept, metric) if history is None else importance_in(history)
    return found[0].name if found else None
