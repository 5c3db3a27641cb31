"""The result digest depends on the values only, and not on how they are split into batches."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.training import ResultDigest
from swath.training.checkpoint import BLOCK_BYTES

STEPS = 300
ACCURACIES = np.random.default_rng(0).random(STEPS)
LOSSES = np.random.default_rng(1).random(STEPS)


def digest(cuts: list[int], restored: bool = False) -> str:
    result_digest = ResultDigest()
    bounds = [0, *sorted(cuts), STEPS]
    for first, end in itertools.pairwise(bounds):
        result_digest.add_steps(ACCURACIES[first:end], LOSSES[first:end])
        if restored:
            assert len(result_digest.state) < 64 + BLOCK_BYTES
            result_digest = ResultDigest(result_digest.state)
    result_digest.add("end", 0.5, np.arange(3))
    return result_digest.hexdigest()


@given(st.lists(st.integers(0, STEPS), max_size=6), st.booleans())
def test_digest_does_not_depend_on_batches_and_restored_state(cuts: list[int], restored: bool) -> None:
    assert digest(cuts, restored) == digest([])


def test_every_value_changes_the_digest() -> None:
    other = LOSSES.copy()
    other[17] = np.nextafter(other[17], 1)
    result_digest = ResultDigest()
    result_digest.add_steps(ACCURACIES, other)
    result_digest.add("end", 0.5, np.arange(3))
    assert result_digest.hexdigest() != digest([])
    one, two = ResultDigest(), ResultDigest()
    one.add("validation", 0.5)
    two.add("end", 0.5)
    assert one.hexdigest() != two.hexdigest()
