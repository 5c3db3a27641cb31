"""Configurations repeated with several seeds: ranked by their mean, with how certain that is."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from swath.analysis.ranking import configuration_of, latest, ordered
from swath.analysis.significance import (
    CorrectMask,
    Ranked,
    Spread,
    paired_p,
    spread,
)
from swath.tracking import StoredRun, schema


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
        by_seed = {run.params.get(schema.SEED, ""): run for run in latest(members)}
        gathered.append(Configuration(tuple(members), by_seed))
    return gathered


def have_several_seeds(runs: Sequence[StoredRun]) -> bool:
    """Whether there is a configuration that was trained with more than one seed."""
    seeds = {run.params.get(schema.SEED) for run in runs}
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
