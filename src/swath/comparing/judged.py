"""A sweep's runs ranked, each with how sure its accuracy is and whether it can be told from the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swath.comparing.effects import Effect, main_effects
from swath.comparing.statistics import CONFIDENCE, Spread, mcnemar_p, spread, wilson_interval
from swath.config.datasets import DATASETS
from swath.errors import SwathError
from swath.ranking import rank
from swath.reading.files import Predictions, read_predictions
from swath.reading.records import StoredRun

NOISE_FIELDS = ("seed",)
"""Fields that repeat a configuration rather than change it."""


@dataclass(frozen=True)
class Judged:
    """A run at its place.

    Attributes:
      place: from 1 up.
      run: the run.
      value: the metric that ranks it.
      interval: the 95 % Wilson interval of an accuracy; None where the metric is none.
      p_best: McNemar's p value against the best; None where predictions are missing.
    """

    place: int
    run: StoredRun
    value: float
    interval: tuple[float, float] | None
    p_best: float | None

    @property
    def like_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_best is not None and self.p_best > 1 - CONFIDENCE


@dataclass(frozen=True)
class JudgedGroup:
    """A configuration that was repeated with several seeds, at its place.

    Attributes:
      place: from 1 up.
      members: its runs, one per seed.
      spreads: mean and standard deviation over seeds, per metric.
      p_best: McNemar's p value against the best configuration, over the images of all seeds that both have;
        None where predictions are missing.
    """

    place: int
    members: tuple[StoredRun, ...]
    spreads: dict[str, Spread]
    p_best: float | None = None

    @property
    def like_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_best is not None and self.p_best > 1 - CONFIDENCE


def metric_of(runs: Sequence[StoredRun], metric: str | None) -> str:
    """The metric that ranks these runs: the one that was asked for, else the ranking's own.

    Raises:
      SwathError: no run has the metric.
    """
    if metric is None:
        return rank([run.metrics for run in runs]).metric
    if not any(metric in run.metrics for run in runs):
        known = sorted({name for run in runs for name in run.metrics})
        raise SwathError(f"--metric {metric}: no run has it; expected one of {', '.join(known)}")
    return metric


def ordered(runs: Sequence[StoredRun], metric: str) -> list[StoredRun]:
    """Runs, best first; where the metric is an accuracy that ranks, by the one ranking."""
    ranking = rank([run.metrics for run in runs])
    if metric == ranking.metric:
        return [runs[index] for index in ranking.order]
    return sorted(runs, key=lambda run: _worse(run.metrics, metric))


def _worse(metrics: Mapping[str, float], metric: str) -> float:
    """The larger, the worse; a metric that is missing or no number is the worst."""
    value = metrics.get(metric, math.nan)
    return math.inf if math.isnan(value) else -value if larger_is_better(metric) else value


def larger_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better: not of losses and seconds."""
    return not (metric.endswith("/loss") or metric.startswith("runtime/"))


def judge(runs: Sequence[StoredRun], metric: str) -> list[Judged]:
    """Finished runs, best first.

    Args:
      runs: at least one.
      metric: that ranks them.
    """
    best_first = ordered(runs, metric)
    split, _, kind = metric.partition("/")
    is_accuracy = kind == "accuracy" and split in ("validation", "test")
    best = _predictions(best_first[0], split) if is_accuracy else None
    judged = []
    for place, run in enumerate(best_first, start=1):
        value = run.metrics.get(metric, math.nan)
        interval = None
        if is_accuracy and math.isfinite(value) and (images := images_of(run, split)):
            interval = wilson_interval(value, images)
        judged.append(Judged(place, run, value, interval, _p_against(best, run, split)))
    return judged


def _p_against(best: Predictions | None, run: StoredRun, split: str) -> float | None:
    found = None if best is None else _predictions(run, split)
    if (
        best is None
        or found is None
        or len(found.labels) != len(best.labels)
        or (found.labels != best.labels).any()
    ):
        return None
    return mcnemar_p(best.correct, found.correct)


def _predictions(run: StoredRun, split: str) -> Predictions | None:
    try:
        return read_predictions(run, split)
    except SwathError:
        return None


def images_of(run: StoredRun, split: str) -> int:
    """How many images an accuracy of a run is measured on; 0 where that is not known."""
    if split == "validation":
        return int(run.params.get("data.validation_size", 0))
    dataset = DATASETS.get(run.params.get("data.name", ""))
    return 0 if dataset is None else dataset.test_images


def by_configuration(runs: Sequence[StoredRun], metric: str) -> list[JudgedGroup]:
    """Runs that differ in nothing but their seed gathered, ranked by the mean of the metric."""
    groups: dict[tuple[tuple[str, str], ...], list[StoredRun]] = {}
    for run in runs:
        key = tuple((name, value) for name, value in run.params.items() if name not in NOISE_FIELDS)
        groups.setdefault(key, []).append(run)
    names = sorted({name for run in runs for name in run.metrics})
    found = []
    for members in groups.values():
        spreads = {
            name: spread([run.metrics[name] for run in members if name in run.metrics])
            for name in names
            if any(name in run.metrics for run in members)
        }
        found.append((tuple(members), spreads))
    means = [{name: entry.mean for name, entry in spreads.items()} for _, spreads in found]
    ranking = rank(means)
    if metric == ranking.metric:
        order = list(ranking.order)
    else:
        order = sorted(range(len(found)), key=lambda index: _worse(means[index], metric))
    best = _by_seed(found[order[0]][0], metric)
    return [
        JudgedGroup(place, *found[index], _p_over_seeds(best, _by_seed(found[index][0], metric)))
        for place, index in enumerate(order, start=1)
    ]


def _by_seed(members: Sequence[StoredRun], metric: str) -> dict[str, Predictions]:
    """The predictions of each seed; none where the metric is not an accuracy."""
    split, _, kind = metric.partition("/")
    if kind != "accuracy" or split not in ("validation", "test"):
        return {}
    found = {run.params.get("seed", ""): _predictions(run, split) for run in members}
    return {seed: predictions for seed, predictions in found.items() if predictions is not None}


def _p_over_seeds(best: Mapping[str, Predictions], others: Mapping[str, Predictions]) -> float | None:
    """McNemar's test over the images of all seeds that both configurations were trained with."""
    seeds = [seed for seed in best if seed in others and len(best[seed].labels) == len(others[seed].labels)]
    if not seeds:
        return None
    return mcnemar_p(
        np.concatenate([best[seed].correct for seed in seeds]),
        np.concatenate([others[seed].correct for seed in seeds]),
    )


def effects_of(runs: Sequence[StoredRun], swept: Sequence[str], metric: str) -> list[Effect] | None:
    """The main effect of each swept field on a metric; None where the runs are no full grid."""
    grid = {field: [run.params.get(field, "") for run in runs] for field in swept}
    return main_effects(grid, [run.metrics.get(metric, math.nan) for run in runs])
