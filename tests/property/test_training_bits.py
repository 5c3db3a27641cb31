"""The bits of a result depend on config, data and arithmetic, and on nothing else."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small import run_config
from support.training import is_width_bit_exact, train_alone, train_lanes

FEW = settings(max_examples=12, deadline=None)
batch_sizes = st.sampled_from([1, 2, 7, 13, 50, 101, 150])
learning_rates = st.floats(1e-9, 1e-4)

IN_ANOTHER_PROCESS = """
import hashlib, os, sys
if len(sys.argv) > 1:
    os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
from support.small import run_config
from support.training import train_alone
print(hashlib.sha256(train_alone(run_config(batch_size=100, max_steps=20)).to_bytes()).hexdigest())
"""


def digest_elsewhere(*arguments: str, **environment: str) -> str:
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def digest_here() -> str:
    return hashlib.sha256(train_alone(run_config(batch_size=100, max_steps=20)).to_bytes()).hexdigest()


@FEW
@given(batch_size=batch_sizes, learning_rate=learning_rates, seed=st.integers(0, 2**63 - 1))
def test_a_run_has_the_same_bits_twice(batch_size: int, learning_rate: float, seed: int) -> None:
    config = run_config(batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    assert train_alone(config).to_bytes() == train_alone(config).to_bytes()


@FEW
@given(batch_size=batch_sizes, segment_steps=st.integers(1, 30))
def test_the_length_of_segments_changes_no_bit(batch_size: int, segment_steps: int) -> None:
    config = run_config(batch_size=batch_size, max_steps=30)
    assert train_alone(config, segment_steps).to_bytes() == train_alone(config).to_bytes()


@FEW
@given(batch_size=batch_sizes, short=st.integers(1, 29))
def test_a_shorter_run_is_a_prefix_of_a_longer_one(batch_size: int, short: int) -> None:
    longer, shorter = (train_alone(run_config(batch_size=batch_size, max_steps=n)) for n in (30, short))
    assert longer.losses[:short].tobytes() == shorter.losses.tobytes()
    assert longer.accuracies[:short].tobytes() == shorter.accuracies.tobytes()


@FEW
@given(short=st.integers(1, 29))
def test_a_longer_run_passes_through_the_weights_of_a_shorter_one(short: int) -> None:
    config = run_config(max_steps=30)
    both = train_lanes([config, replace(config, max_steps=short)])
    assert both[1].to_bytes() == train_alone(replace(config, max_steps=short)).to_bytes()


@FEW
@given(every=st.integers(1, 30))
def test_evaluating_along_the_way_changes_no_bit(every: int) -> None:
    config = run_config(max_steps=30)
    assert (
        train_alone(replace(config, evaluate_every_steps=every)).to_bytes() == train_alone(config).to_bytes()
    )


def test_another_seed_gives_other_bits() -> None:
    assert train_alone(run_config(seed=1)).to_bytes() != train_alone(run_config(seed=2)).to_bytes()


def test_a_fresh_process_with_another_hash_seed_gives_the_same_bits(digest_here: str) -> None:
    assert digest_elsewhere(PYTHONHASHSEED="123") == digest_here


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be chosen on Linux only")
@pytest.mark.parametrize("cores", [1, 2])
def test_the_number_of_cores_changes_no_bit(digest_here: str, cores: int) -> None:
    there = sorted(os.sched_getaffinity(0))
    if len(there) < cores:
        pytest.skip(f"this machine has {len(there)} core")
    assert digest_elsewhere(",".join(map(str, there[:cores]))) == digest_here


@settings(max_examples=15, deadline=None)
@given(
    batch_size=st.sampled_from([1, 2, 7, 13, 50, 101, 150, 997]),
    lanes=st.sampled_from([2, 3, 5, 8, 13, 16, 24, 40]),
    position=st.integers(0, 39),
)
def test_lane_has_the_bits_it_has_alone_wherever_the_probe_says_so(
    batch_size: int, lanes: int, position: int
) -> None:
    if not is_width_bit_exact(batch_size, lanes):
        return  # such groups are never made
    position %= lanes
    rates = [float(rate) for rate in np.geomspace(1e-8, 1e-5, lanes)]
    rates[(position + 1) % lanes] = 1e36  # a neighbour that diverges: infinities and NaN in the next columns
    configs = [run_config(batch_size=batch_size, learning_rate=rate, max_steps=12) for rate in rates]
    assert train_lanes(configs)[position].to_bytes() == train_alone(configs[position]).to_bytes()


@FEW
@given(batch_size=batch_sizes, steps=st.lists(st.integers(1, 12), min_size=2, max_size=6))
def test_lanes_that_leave_change_no_bit_of_those_that_stay(batch_size: int, steps: list[int]) -> None:
    rates = np.geomspace(1e-8, 1e-5, len(steps)).tolist()
    configs = [
        run_config(batch_size=batch_size, learning_rate=rate, max_steps=count)
        for rate, count in zip(rates, steps, strict=True)
    ]
    if not all(is_width_bit_exact(batch_size, lanes) for lanes in range(2, len(steps) + 1)):
        return  # lanes would not be moved together
    together = train_lanes(configs, repack=True)
    assert [lane.to_bytes() for lane in together] == [train_alone(config).to_bytes() for config in configs]
