"""How sure an accuracy is, and how sure a difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


def wilson_interval(accuracy: float, images: int) -> tuple[float, float]:
    """The 95 % interval of the share of images that are classified correctly, from a sample of them.

    Wilson's score interval (Wilson 1927, *Probable inference, the law of succession, and statistical
    inference*).

    Args:
      accuracy: in 0..1, of `images` images.
      images: 1 or more.
    """
    correct = round(accuracy * images)
    interval = stats.binomtest(correct, images).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar_p(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> float:
    """How likely two classifiers that are equally good differ at least as much as these on the same images.

    McNemar's test in its exact form (McNemar 1947, *Note on the sampling error of the difference between
    correlated proportions or percentages*): of the images that only one of the two classifies correctly,
    each would
    do so for one half.

    Args:
      correct_a: bool [images], which images the first classifies correctly.
      correct_b: the same of the second.

    Returns:
      The two-sided p value, in 0..1; 1 where no image tells the two apart.
    """
    only_a = int(np.count_nonzero(correct_a & ~correct_b))
    only_b = int(np.count_nonzero(~correct_a & correct_b))
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b).pvalue)


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
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), deviation, len(values))
