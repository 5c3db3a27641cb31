"""The expected best of a random search, against all of its draws."""

from itertools import combinations

import numpy as np
import pytest

from swath.analysis import expected_best

VALUES = [0.31, 0.1, 0.4, 0.1, 0.25, 0.33]


@pytest.mark.parametrize("maximize", [True, False])
def test_expected_best_is_the_mean_over_all_draws(maximize: bool) -> None:
    best = max if maximize else min
    expected = [np.mean([best(drawn) for drawn in combinations(VALUES, n)]) for n in range(1, 7)]
    np.testing.assert_allclose(expected_best(VALUES, maximize), expected, rtol=1e-12)


def test_one_draw_is_the_mean_and_all_draws_are_the_best() -> None:
    values = np.random.default_rng(0).normal(size=2_000).tolist()
    found = expected_best(values)
    assert found[0] == pytest.approx(np.mean(values))
    assert found[-1] == pytest.approx(max(values))
    assert np.all(np.diff(found) >= -1e-12)
