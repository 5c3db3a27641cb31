"""Configurations that were repeated with several seeds: ranked by their mean, and how sure that is."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.comparing.judged import predictions_of, same_images, split_of
from swath.comparing.order import ordered
from swath.comparing.statistics import CONFIDENCE, Spread, paired_p, spread
from swath.ranking import configuration_of
from swath.reading.files import Predictions
from swath.reading.records import StoredRun


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in nothing but their seed.

    Attributes:
      members: its runs.
      by_seed: one run for each seed, the latest: sweeps that are looked at as one may have repeated it.
      spreads: mean and standard deviation over seeds, per metric.
    """

    members: tuple[StoredRun, ...]
    by_seed: dict[str, StoredRun]
    spreads: dict[str, Spread]


@dataclass(frozen=True)
class JudgedConfiguration:
    """A configuration that was repeated with several seeds, at its place.

    Attributes:
      place: from 1 up.
      configuration: its runs, and their means.
      p_best: p value against the best configuration, over the seeds that both have; None where predictions
        are missing.
    """

    place: int
    configuration: Configuration
    p_best: float | None

    @property
    def like_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_best is not None and self.p_best > 1 - CONFIDENCE


def gather(runs: Sequence[StoredRun]) -> list[Configuration]:
    """Runs gathered into configurations, in the order in which the first run of each stands."""
    found: dict[Hashable, list[StoredRun]] = {}
    for run in runs:
        found.setdefault(configuration_of(run.params), []).append(run)
    gathered = []
    for members in found.values():
        by_seed = {run.params.get("seed", ""): run for run in members}
        gathered.append(Configuration(tuple(members), by_seed, _spreads(list(by_seed.values()))))
    return gathered


def are_repeated(runs: Sequence[StoredRun]) -> bool:
    """Whether there is a configuration that was trained with more than one seed."""
    return any(len(configuration.by_seed) > 1 for configuration in gather(runs))


def ordered_configurations(runs: Sequence[StoredRun], metric: str) -> list[Configuration]:
    """Configurations, best mean first, by the one ranking."""
    return gather(ordered(runs, metric))


def judge_configurations(runs: Sequence[StoredRun], metric: str) -> list[JudgedConfiguration]:
    """Configurations, best mean first.

    Args:
      runs: finished, at least one.
      metric: that ranks them.
    """
    best_first = ordered_configurations(runs, metric)
    split = split_of(metric)
    predictions = [{} if split is None else _predictions(found, split) for found in best_first]
    return [
        JudgedConfiguration(place, found, _p_over_seeds(predictions[0], others))
        for place, (found, others) in enumerate(zip(best_first, predictions, strict=True), start=1)
    ]


def _spreads(runs: Sequence[StoredRun]) -> dict[str, Spread]:
    """Of each metric, over the runs in which it is a number."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.metrics.items():
            if not math.isnan(value):
                values.setdefault(name, []).append(value)
    return {name: spread(found) for name, found in values.items()}


def _predictions(configuration: Configuration, split: str) -> dict[str, Predictions]:
    """The predictions of each seed, where they can be read."""
    found = {seed: predictions_of(run, split) for seed, run in configuration.by_seed.items()}
    return {seed: predictions for seed, predictions in found.items() if predictions is not None}


def _p_over_seeds(best: Mapping[str, Predictions], others: Mapping[str, Predictions]) -> float | None:
    """The paired test over the images, with the seeds that both configurations were trained with."""
    seeds = [seed for seed in best if seed in others and same_images(best[seed], others[seed])]
    if not seeds or not all(same_images(best[seeds[0]], best[seed]) for seed in seeds):
        return None
    return paired_p(_times_correct(best, seeds), _times_correct(others, seeds))


def _times_correct(predictions: Mapping[str, Predictions], seeds: Sequence[str]) -> NDArray[np.int64]:
    """With how many seeds each image is classified correctly: int64 [images]."""
    return np.asarray(np.sum([predictions[seed].correct for seed in seeds], axis=0), np.int64)
