"""Confidence intervals of accuracies, and paired tests against the best run."""

import math
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.analysis.ranking import ordered
from swath.analysis.sweeps import Configuration, ordered_configurations, repeated_configurations
from swath.errors import SwathError
from swath.tracking import StoredRun, data_sizes, schema

CONFIDENCE = 0.95
"""Confidence level of intervals, and 1 minus the significance level of tests."""

Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Two-sided quantile of the standard normal distribution at this level."""

READERS = 8
"""Prediction files that are read at the same time; a remote store has latency."""


def wilson_interval(accuracy: float, images: int) -> tuple[float, float]:
    """Wilson's 95% score interval of an accuracy.

    Wilson 1927, *Probable inference, the law of succession, and statistical inference*. Written out because
    importing `scipy.stats` takes longer than listing sweeps.

    Args:
      accuracy: share of correctly classified images, 0..1.
      images: number of images, at least 1.

    Returns:
      Lower and upper bound, 0..1.
    """
    spread = Z * Z / images
    centre = (accuracy + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * accuracy * (1 - accuracy) + spread * spread / 4) / (1 + spread)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def paired_p(correct_a: NDArray[Any], correct_b: NDArray[Any]) -> float:
    """P value of the hypothesis that two classifiers are equally good, from the same images.

    An exact randomization test (Fisher 1935, *The design of experiments*, section 21): under the hypothesis,
    the sign of each image's difference is random. For classifiers trained once this is the exact McNemar
    test (McNemar 1947, *Note on the sampling error of the difference between correlated proportions or
    percentages*). With several seeds, an image counts once, with its difference summed over seeds, because
    results of one image with different seeds are correlated.

    Args:
      correct_a: [images], bool: whether the first classifier is correct; or int: for how many seeds.
      correct_b: [images], the same for the second classifier and the same number of seeds.

    Returns:
      The two-sided p value, 0..1; 1 if no image distinguishes the two.
    """
    differences = correct_a.astype(np.int64) - correct_b.astype(np.int64)
    found = abs(int(differences.sum()))
    if found == 0:
        return 1.0
    return _p_of_sum(found, tuple(np.bincount(np.abs(differences)).tolist()))


@lru_cache(10_000)
def _p_of_sum(found: int, images: tuple[int, ...]) -> float:
    """Chance that a sum of differences with random signs is at least as far from 0 as the one that was found.

    Runs of a sweep are tested on the same images, so that many tests are the same one.

    Args:
      found: size of the sum.
      images: number of images with each size of a difference, from 0 up.
    """
    # The distribution of the sum: a sum of one binomial for each size of a difference.
    chances, lowest = np.ones(1), 0
    for size, count in enumerate(images):
        if size and count:
            spaced = np.zeros(2 * size * count + 1)
            spaced[:: 2 * size] = _heads(count)
            chances, lowest = np.convolve(chances, spaced), lowest - size * count
    sums = np.arange(len(chances)) + lowest
    return float(min(1.0, chances[np.abs(sums) >= found].sum()))


def _heads(tosses: int) -> NDArray[np.float64]:
    """Probability of each number of heads in tosses of a fair coin: float64 [tosses + 1]."""
    logarithms = _log_factorials(1 << tosses.bit_length())[: tosses + 1]
    ways = logarithms[-1] - logarithms - logarithms[::-1]
    return np.asarray(np.exp(ways - tosses * math.log(2)), np.float64)


@lru_cache
def _log_factorials(count: int) -> NDArray[np.float64]:
    """Natural logarithms of the factorials from 0 up: float64 [count].

    Not those of `scipy.special`, whose import takes longer than all tests of a sweep.
    """
    return np.array([math.lgamma(number + 1) for number in range(count)])


@dataclass(frozen=True)
class CorrectMask:
    """Which images of a split a run classifies correctly.

    Attributes:
      images: identity of the images, such as the digest of the data and of the labels.
      correct: bool [images].
    """

    images: Hashable
    correct: NDArray[np.bool_]


def read_correct_masks(runs: Sequence[StoredRun], metric: str) -> dict[str, CorrectMask]:
    """Read which images each run classifies correctly, by run id.

    Runs whose predictions are missing or unreadable are left out.

    Args:
      runs: finished runs.
      metric: an accuracy, which names the split; the result is empty for any other metric.
    """
    split = schema.split_of(metric)
    if split is None:
        return {}
    with ThreadPoolExecutor(READERS) as pool:
        masks = pool.map(lambda run: _correct_mask(run, split), runs)
        return {run.run_id: mask for run, mask in zip(runs, masks, strict=True) if mask is not None}


def _correct_mask(run: StoredRun, split: str) -> CorrectMask | None:
    from swath.tracking import read_predictions  # MLflow takes a second

    try:
        predictions = read_predictions(run, split)
    except SwathError:
        return None
    if predictions is None:
        return None
    images = run.tags.get(schema.DATA_DIGEST, ""), predictions.labels.tobytes()
    return CorrectMask(images, predictions.correct)


def images_of(run: StoredRun, metric: str) -> int:
    """Number of images behind an accuracy of a run; 0 if unknown or not an accuracy."""
    split = schema.split_of(metric)
    if split == "validation":
        return int(run.params.get(schema.VALIDATION_SIZE, 0))
    sizes = data_sizes(run)
    return 0 if split is None or sizes is None else sizes.test_images


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """An entry of a ranking.

    Attributes:
      place: rank, from 1 up.
      p_vs_best: p value of the paired test against the best entry; 1 for the best itself; None if predictions
        are missing or the images differ.
    """

    place: int
    p_vs_best: float | None

    @property
    def tied_with_best(self) -> bool:
        """Whether the entry is not significantly different from the best one (p > 0.05, uncorrected)."""
        return self.p_vs_best is not None and self.p_vs_best > 1 - CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class RankedRun(Ranked):
    """A run in a ranking.

    Attributes:
      run: the run.
      value: the metric that ranks it; NaN if it has none.
      interval: 95% Wilson interval of an accuracy; None for any other metric.
    """

    run: StoredRun
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class RankedConfiguration(Ranked):
    """A configuration with several seeds in a ranking; tested over the seeds that it shares with the best.

    Attributes:
      configuration: its runs and their means.
    """

    configuration: Configuration


def rank_with_tests(
    runs: Sequence[StoredRun], metric: str, masks: Mapping[str, CorrectMask]
) -> list[RankedRun]:
    """Rank finished runs, and test each against the best.

    Args:
      runs: at least one run.
      metric: the metric that ranks.
      masks: correctly classified images by run id; runs without an entry are not tested.

    Returns:
      The runs, best first.
    """
    return _ranked_runs(ordered(runs, metric), metric, masks)


def _ranked_runs(
    best_first: Sequence[StoredRun], metric: str, masks: Mapping[str, CorrectMask]
) -> list[RankedRun]:
    best = masks.get(best_first[0].run_id)
    ranked = []
    for place, run in enumerate(best_first, start=1):
        value = run.metrics.get(metric, math.nan)
        images = images_of(run, metric)
        interval = wilson_interval(value, images) if images and math.isfinite(value) else None
        p_vs_best = _p_against(best, masks.get(run.run_id))
        ranked.append(RankedRun(place=place, p_vs_best=p_vs_best, run=run, value=value, interval=interval))
    return ranked


def _p_against(best: CorrectMask | None, other: CorrectMask | None) -> float | None:
    if best is None or other is None or best.images != other.images:
        return None
    return paired_p(best.correct, other.correct)


def rank_configurations_with_tests(
    runs: Sequence[StoredRun], metric: str, masks: Mapping[str, CorrectMask]
) -> list[RankedConfiguration]:
    """Rank configurations by their mean over seeds, and test each against the best.

    Args:
      runs: finished runs, at least one.
      metric: the metric that ranks.
      masks: correctly classified images by run id; runs without an entry are not tested.

    Returns:
      The configurations, best first.
    """
    return _ranked_configurations(ordered_configurations(runs, metric), masks)


def _ranked_configurations(
    best_first: Sequence[Configuration], masks: Mapping[str, CorrectMask]
) -> list[RankedConfiguration]:
    by_seed = [
        {seed: masks[run.run_id] for seed, run in found.by_seed.items() if run.run_id in masks}
        for found in best_first
    ]
    return [
        RankedConfiguration(place=place, p_vs_best=_p_over_seeds(by_seed[0], others), configuration=found)
        for place, (found, others) in enumerate(zip(best_first, by_seed, strict=True), start=1)
    ]


def _p_over_seeds(best: Mapping[str, CorrectMask], others: Mapping[str, CorrectMask]) -> float | None:
    """The paired test with the seeds that both configurations were trained with."""
    seeds = [seed for seed in best if seed in others]
    images = {masks[seed].images for masks in (best, others) for seed in seeds}
    if len(images) != 1:
        return None
    return paired_p(_times_correct(best, seeds), _times_correct(others, seeds))


def _times_correct(masks: Mapping[str, CorrectMask], seeds: Sequence[str]) -> NDArray[np.int64]:
    """Number of seeds with which each image is classified correctly: int64 [images]."""
    return np.asarray(np.sum([masks[seed].correct for seed in seeds], axis=0), np.int64)


def rank_sweep(
    runs: Sequence[StoredRun], metric: str, masks: Mapping[str, CorrectMask] | None = None
) -> tuple[list[RankedRun], list[RankedConfiguration]]:
    """Rank finished runs and, if any was repeated with several seeds, their configurations.

    Args:
      runs: at least one run.
      metric: the metric that ranks.
      masks: correctly classified images by run id; None to read them from the store.

    Returns:
      The runs, best first, and the configurations, best first; no configurations if nothing was repeated.
    """
    masks = read_correct_masks(runs, metric) if masks is None else masks
    best_first = ordered(runs, metric)
    groups = _ranked_configurations(repeated_configurations(best_first), masks)
    return _ranked_runs(best_first, metric, masks), groups
