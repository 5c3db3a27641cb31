"""How sure an accuracy is, and how sure a difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

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
