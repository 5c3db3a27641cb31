"""One digest of all numbers, however they were cut."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.training import ResultDigest
from swath.training.checkpoint import BLOCK_BYTES

STEPS = 300
ACCURACIES = np.random.default_rng(0).random(STEPS)
LOSSES = np.random.default_rng(1).random(STEPS)


def digest(cuts: list[int], put_down: bool = False) -> str:
    bits = ResultDigest()
    bounds = [0, *sorted(cuts), STEPS]
    for first, end in itertools.pairwise(bounds):
        bits.add_steps(ACCURACIES[first:end], LOSSES[first:end])
        if put_down:
            assert len(bits.state) < 64 + BLOCK_BYTES
            bits = ResultDigest(bits.state)
    bits.add("end", 0.5, np.arange(3))
    return bits.hexdigest()


@given(st.lists(st.integers(0, STEPS), max_size=6), st.booleans())
def test_cuts_and_being_put_down_leave_no_trace(cuts: list[int], put_down: bool) -> None:
    assert digest(cuts, put_down) == digest([])


def test_every_number_counts() -> None:
    other = LOSSES.copy()
    other[17] = np.nextafter(other[17], 1)
    bits = ResultDigest()
    bits.add_steps(ACCURACIES, other)
    bits.add("end", 0.5, np.arange(3))
    assert bits.hexdigest() != digest([])
    one, two = ResultDigest(), ResultDigest()
    one.add("validation", 0.5)
    two.add("end", 0.5)
    assert one.hexdigest() != two.hexdigest()
