"""PED-ANOVA: which fields distinguish the best trials from all trials, whatever was proposed.

Watanabe, Bansal and Hutter 2023, *PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
subspaces*. A field matters as far as the distribution of its values among the best trials, p, differs from
that among all trials, q. The variance that it explains is, up to a factor that all fields share, the Pearson
divergence

    D(p, q) = integral of (p(x) / q(x) - 1)^2 q(x) dx

(their equation 10, with all trials as the region). It needs no grid, and no model of the values: only which
trials are the best.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BEST_SHARE = 0.1
"""Share of the trials that count as the best, as in the paper."""

LEAST_BEST = 8
"""Best trials at least, if these are not more than half of all: fewer have no distribution."""

LEAST_TRIALS = 12
"""With fewer trials nothing is said."""

POINTS = 200
"""Points at which densities are compared."""

NARROWEST = 0.02
"""Smallest width of a kernel, as a share of a field's range."""

Column = Sequence[float] | Sequence[str]
"""The values of a field: numbers as places between 0 and 1, NaN where the field does not exist; or choices,
an empty text where it does not exist."""


@dataclass(frozen=True)
class Importance:
    """How much a field matters.

    Attributes:
      name: of the field.
      share: of the importance of all fields, 0..1; shares add up to 1.
    """

    name: str
    share: float


def best_count(trials: int) -> int:
    """How many of some trials count as the best."""
    return max(math.ceil(BEST_SHARE * trials), min(LEAST_BEST, trials // 2))


def ped_anova(columns: Mapping[str, Column], best_first: Sequence[int]) -> list[Importance]:
    """The importance of each field, largest first.

    Args:
      columns: the values of each field, by trial.
      best_first: indices of the trials that have a value, best first.

    Returns:
      Empty if there are too few trials, or no field distinguishes them.
    """
    if len(best_first) < LEAST_TRIALS:
        return []
    best = best_first[: best_count(len(best_first))]
    divergences = {name: _divergence(column, best, best_first) for name, column in columns.items()}
    total = math.fsum(divergences.values())
    if total <= 0:
        return []
    found = [Importance(name, divergence / total) for name, divergence in divergences.items()]
    return sorted(found, key=lambda each: -each.share)


def _divergence(column: Column, best: Sequence[int], every: Sequence[int]) -> float:
    """Pearson divergence of a field among the best trials from the field among all."""
    if isinstance(column[0], str):
        names = sorted({str(column[index]) for index in every} - {""})
        texts = [[str(column[index]) for index in which] for which in (best, every)]
        if not any(texts[0]):
            return 0.0
        p, q = (_shares(each, names) for each in texts)
    else:
        places = [_known([float(column[index]) for index in which]) for which in (best, every)]
        if not places[0].size:
            return 0.0
        # One width for both, and the best are some of all: so p / q is at most their number of times.
        width = min(map(_width, places))
        p, q = (_density(each, width) / POINTS for each in places)
    return float(np.sum((p / q - 1) ** 2 * q))


def _shares(values: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    """Share of each choice; one more value is spread over all, so that none has the share 0."""
    counts = np.array([values.count(name) for name in names], np.float64)
    return np.asarray((counts + 1 / len(names)) / (counts.sum() + 1), np.float64)


def _density(known: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Density of numbers between 0 and 1 at `POINTS` points: Gaussian kernels, cut at the ends."""
    points = (np.arange(POINTS) + 0.5) / POINTS
    kernels = np.exp(-0.5 * ((points - known[:, np.newaxis]) / width) ** 2)  # [trials, points]
    kernels /= kernels.mean(axis=1, keepdims=True)  # each has the weight 1 within the range
    return np.asarray(kernels.mean(axis=0), np.float64)


def _known(places: Sequence[float]) -> NDArray[np.float64]:
    return np.array([place for place in places if not math.isnan(place)], np.float64)


def _width(known: NDArray[np.float64]) -> float:
    """Scott's rule: 1.06 times the smaller of the standard deviation and IQR / 1.34, times n^(-1/5)."""
    low, high = (float(bound) for bound in np.quantile(known, (0.25, 0.75)))
    narrow = 1.06 * min(float(known.std()), (high - low) / 1.34) / math.pow(known.size, 0.2)
    return max(narrow, NARROWEST)
