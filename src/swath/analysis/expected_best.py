"""The best value that a random search is expected to have found after each number of trials."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def expected_best(values: Sequence[float], maximize: bool = True) -> NDArray[np.float64]:
    """Expected best of n values that are drawn without replacement, for each n.

    With the N values sorted from the worst, v_1 to v_N, the best of n is v_k in C(k-1, n-1) of C(N, n) draws:

        E(n) = sum over k of v_k C(k-1, n-1) / C(N, n)

    This is the unbiased estimate of Tang et al. 2020, *Showing your work doesn't always work*; that of Dodge
    et al. 2019, *Show your work*, draws with replacement, and is too low.

    Args:
      values: values of independent trials, at least one, all finite.
      maximize: whether larger values are better.

    Returns:
      float64 [N]: for n from 1 to N.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    ordered = ordered if maximize else ordered[::-1]
    count = len(ordered)
    ranks = np.arange(1, count + 1)  # k
    drawn = ranks[:, np.newaxis]  # n
    with np.errstate(invalid="ignore"):  # infinities of both signs, where k < n
        logs = _log_choose(ranks - 1, drawn - 1) - _log_choose(np.full(count, count), drawn)
    chances = np.where(ranks >= drawn, np.exp(np.where(ranks >= drawn, logs, 0.0)), 0.0)
    return np.asarray(chances @ ordered, np.float64)


def _log_choose(of: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of the binomial coefficient; meaningless where more are chosen than there are."""
    from scipy.special import gammaln  # a tenth of a second, which pictures of a grid need not take

    return np.asarray(gammaln(of + 1) - gammaln(chosen + 1) - gammaln(of - chosen + 1), np.float64)
