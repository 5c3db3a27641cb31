"""Runs and configurations ranked, each with how certain its place is."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from swath.analysis.significance import (
    CONFIDENCE,
    CorrectMask,
    Spread,
    images_of,
    paired_p,
    spread,
    wilson_interval,
)
from swath.errors import SwathError
from swath.metrics import Ranking, configuration_of, rank, ranking_metric
from swath.tracking import StoredRun


def rank_runs(runs: Sequence[StoredRun], metric: str | None = None) -> Ranking:
    """Rank runs; see `swath.ranking.rank`."""
    return rank([run.metrics for run in runs], metric, [configuration_of(run.params) for run in runs])


def ordered(runs: Sequence[StoredRun], metric: str | None = None) -> list[StoredRun]:
    """Runs, best first."""
    return [runs[index] for index in rank_runs(runs, metric).order]


def latest(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Of runs with the same configuration and seed the one that says most: finished, then begun last.

    Several sweeps that are looked at as one may have repeated a run; it counts once.
    """
    kept: dict[Hashable, StoredRun] = {}
    for run in sorted(runs, key=lambda run: (run.status == "FINISHED", run.start_ms)):
        kept[tuple(sorted(run.params.items()))] = run
    return sorted(kept.values(), key=lambda run: (run.start_ms, run.run_id))


def metric_of(runs: Sequence[StoredRun], metric: str | None) -> str:
    """The metric that ranks these runs: the one that was asked for, else the ranking's own.

    Raises:
      SwathError: no run has the metric.
    """
    if metric is None:
        return ranking_metric(run.metrics for run in runs)
    if not any(metric in run.metrics for run in runs):
        known = sorted({name for run in runs for name in run.metrics})
        raise SwathError(f"--metric {metric}: no run has it; expected one of {', '.join(known)}")
    return metric


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Something at its place in a ranking.

    Attributes:
      place: from 1 up.
      p_vs_best: p value of the paired test against the best; None where predictions are missing, or of other
        images.
    """

    place: int
    p_vs_best: float | None

    @property
    def tied_with_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_vs_best is not None and self.p_vs_best > 1 - CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class RankedRun(Ranked):
    """A run at its place.

    Attributes:
      run: the run.
      value: the metric that ranks it.
      interval: the 95 % Wilson interval of an accuracy; None where the metric is none.
    """

    run: StoredRun
    value: float
    interval: tuple[float, float] | None


def rank_with_tests(
    runs: Sequence[StoredRun], metric: str, answers: Mapping[str, CorrectMask]
) -> list[RankedRun]:
    """Finished runs, best first.

    Args:
      runs: at least one.
      metric: that ranks them.
      answers: of the runs, by their ids, as far as they are there.
    """
    best_first = ordered(runs, metric)
    best = answers.get(best_first[0].run_id)
    judged = []
    for place, run in enumerate(best_first, start=1):
        value = run.metrics.get(metric, math.nan)
        images = images_of(run, metric)
        interval = wilson_interval(value, images) if images and math.isfinite(value) else None
        p_vs_best = _p_against(best, answers.get(run.run_id))
        judged.append(RankedRun(place=place, p_vs_best=p_vs_best, run=run, value=value, interval=interval))
    return judged


def _p_against(best: CorrectMask | None, other: CorrectMask | None) -> float | None:
    if best is None or other is None or best.images != other.images:
        return None
    return paired_p(best.correct, other.correct)


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in nothing but their seed.

    Attributes:
      members: its runs.
      by_seed: one run for each seed, the latest.
    """

    members: tuple[StoredRun, ...]
    by_seed: dict[str, StoredRun]

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Mean and standard deviation over seeds, per metric, of the values that are numbers."""
        values: dict[str, list[float]] = {}
        for run in self.by_seed.values():
            for name, value in run.metrics.items():
                if not math.isnan(value):
                    values.setdefault(name, []).append(value)
        return {name: spread(found) for name, found in values.items()}


@dataclass(frozen=True, kw_only=True)
class RankedConfiguration(Ranked):
    """A configuration that was repeated with several seeds, at its place; tested over the seeds of both.

    Attributes:
      configuration: its runs, and their means.
    """

    configuration: Configuration


def group_by_configuration(runs: Sequence[StoredRun]) -> list[Configuration]:
    """Runs gathered into configurations, in the order in which the first run of each stands."""
    found: dict[Hashable, list[StoredRun]] = {}
    for run in runs:
        found.setdefault(configuration_of(run.params), []).append(run)
    gathered = []
    for members in found.values():
        by_seed = {run.params.get("seed", ""): run for run in latest(members)}
        gathered.append(Configuration(tuple(members), by_seed))
    return gathered


def have_several_seeds(runs: Sequence[StoredRun]) -> bool:
    """Whether there is a configuration that was trained with more than one seed."""
    seeds = {run.params.get("seed") for run in runs}
    return len(seeds) > 1 and any(
        len(configuration.by_seed) > 1 for configuration in group_by_configuration(runs)
    )


def ordered_configurations(runs: Sequence[StoredRun], metric: str) -> list[Configuration]:
    """Configurations, best mean first, by the one ranking."""
    return group_by_configuration(ordered(runs, metric))


def rank_configurations_with_tests(
    runs: Sequence[StoredRun], metric: str, answers: Mapping[str, CorrectMask]
) -> list[RankedConfiguration]:
    """Configurations, best mean first.

    Args:
      runs: finished, at least one.
      metric: that ranks them.
      answers: of the runs, by their ids, as far as they are there.
    """
    best_first = ordered_configurations(runs, metric)
    by_seed = [
        {seed: answers[run.run_id] for seed, run in found.by_seed.items() if run.run_id in answers}
        for found in best_first
    ]
    return [
        RankedConfiguration(place=place, p_vs_best=_p_over_seeds(by_seed[0], others), configuration=found)
        for place, (found, others) in enumerate(zip(best_first, by_seed, strict=True), start=1)
    ]


def _p_over_seeds(best: Mapping[str, CorrectMask], others: Mapping[str, CorrectMask]) -> float | None:
    """The paired test over the images, with the seeds that both configurations were trained with."""
    seeds = [seed for seed in best if seed in others]
    images = {answers[seed].images for answers in (best, others) for seed in seeds}
    if len(images) != 1:
        return None
    return paired_p(_times_correct(best, seeds), _times_correct(others, seeds))


def _times_correct(answers: Mapping[str, CorrectMask], seeds: Sequence[str]) -> NDArray[np.int64]:
    """With how many seeds each image is classified correctly: int64 [images]."""
    return np.asarray(np.sum([answers[seed].correct for seed in seeds], axis=0), np.int64)
