"""How certain an accuracy is, and whether a run can be told from the best."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from swath.analysis.ranking import ordered
from swath.datasets import DATASETS
from swath.errors import SwathError
from swath.tracking import StoredRun, read_predictions, schema

CONFIDENCE = 0.95


Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""The quantile of the normal distribution that belongs to it."""


def wilson_interval(accuracy: float, images: int) -> tuple[float, float]:
    """The 95 % interval of the share of images that are classified correctly, from a sample of them.

    Wilson's score interval (Wilson 1927, *Probable inference, the law of succession, and statistical
    inference*). Written out, as the coin below: to import SciPy's statistics takes as long as to list sweeps.

    Args:
      accuracy: in 0..1, of `images` images.
      images: 1 or more.
    """
    spread = Z * Z / images
    centre = (accuracy + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * accuracy * (1 - accuracy) + spread * spread / 4) / (1 + spread)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def paired_p(correct_a: NDArray[Any], correct_b: NDArray[Any]) -> float:
    """How likely two classifiers that are equally good differ at least as much as these on the same images.

    An exact randomisation test (Fisher 1935, *The design of experiments*, section 21): if both were equally
    good, the difference that each image makes would as likely be one of the other sign. For classifiers that
    were trained once this is McNemar's test in its exact form (McNemar 1947, *Note on the sampling error of
    the difference between correlated proportions or percentages*). For those that were trained with several
    seeds an image counts once, with the difference over all of its seeds, because seeds agree on an image
    more than images do.

    Args:
      correct_a: bool [images], which images the first classifies correctly; or int [images], with how many
        of its seeds.
      correct_b: the same of the second, with as many seeds.

    Returns:
      The two-sided p value, in 0..1; 1 where no image tells the two apart.
    """
    differences = correct_a.astype(np.int64) - correct_b.astype(np.int64)
    found = abs(int(differences.sum()))
    if found == 0:
        return 1.0
    # The distribution of the sum under random signs: a sum of one binomial for each size of a difference.
    chances, lowest = np.ones(1), 0
    for size, images in zip(*np.unique(np.abs(differences), return_counts=True), strict=True):
        if size:
            spaced = np.zeros(2 * size * images + 1)
            spaced[:: 2 * size] = _heads(int(images))
            chances, lowest = np.convolve(chances, spaced), lowest - int(size * images)
    sums = np.arange(len(chances)) + lowest
    return float(min(1.0, chances[np.abs(sums) >= found].sum()))


def _heads(tosses: int) -> NDArray[np.float64]:
    """How likely each number of heads is among the tosses of a fair coin: float64 [tosses + 1]."""
    heads = np.arange(tosses + 1)
    ways = gammaln(tosses + 1) - gammaln(heads + 1) - gammaln(tosses - heads + 1)
    return np.asarray(np.exp(ways - tosses * math.log(2)), np.float64)


@dataclass(frozen=True)
class Spread:
    """Repetitions with other seeds.

    Attributes:
      mean: of the values.
      deviation: their sample standard deviation, with n - 1; nan for one value.
      count: how many there are.
    """

    mean: float
    deviation: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of one or more values."""
    with np.errstate(invalid="ignore"):  # infinite losses have no deviation
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), deviation, len(values))


AT_ONCE = 8
"""Files that are asked for at a time; a server needs a moment for each."""


@dataclass(frozen=True)
class CorrectMask:
    """What a run makes of the images that a metric is measured on.

    Attributes:
      images: what tells the images from others: the digest of the data, and the labels.
      correct: bool [images], which are classified correctly.
    """

    images: tuple[str, bytes]
    correct: NDArray[np.bool_]


def read_correct_masks(runs: Sequence[StoredRun], metric: str) -> dict[str, CorrectMask]:
    """The answers of runs by their ids; those that were not kept or cannot be read are left out.

    Args:
      runs: finished.
      metric: an accuracy; for any other metric there are none.
    """
    split = schema.split_of(metric)
    if split is None:
        return {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda run: _answers(run, split), runs)
        return {run.run_id: answers for run, answers in zip(runs, found, strict=True) if answers is not None}


def _answers(run: StoredRun, split: str) -> CorrectMask | None:
    try:
        predictions = read_predictions(run, split)
    except SwathError:
        return None
    if predictions is None:
        return None
    images = run.tags.get(schema.DATA_DIGEST, ""), predictions.labels.tobytes()
    return CorrectMask(images, predictions.correct)


def images_of(run: StoredRun, metric: str) -> int:
    """How many images an accuracy of a run is measured on; 0 where it is none, or where that is not known."""
    split = schema.split_of(metric)
    if split == "validation":
        return int(run.params.get(schema.VALIDATION_SIZE, 0))
    dataset = DATASETS.get(run.params.get(schema.DATA_NAME, ""))
    return 0 if split is None or dataset is None else dataset.test_images


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
