"""Results depend on configuration, data and arithmetic only, bit for bit."""

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

FEW_EXAMPLES = settings(max_examples=12, deadline=None)
batch_sizes = st.sampled_from([1, 2, 7, 13, 50, 101, 150])
learning_rates = st.floats(1e-9, 1e-4)

PRINT_DIGEST = """
import hashlib, os, sys
if len(sys.argv) > 1:
    os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
from support.small import run_config
from support.training import train_alone
print(hashlib.sha256(train_alone(run_config(batch_size=100, max_steps=20)).to_bytes()).hexdigest())
"""


def digest_in_new_process(*arguments: str, **environment: str) -> str:
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def digest_in_this_process() -> str:
    return hashlib.sha256(train_alone(run_config(batch_size=100, max_steps=20)).to_bytes()).hexdigest()


@FEW_EXAMPLES
@given(batch_size=batch_sizes, learning_rate=learning_rates, seed=st.integers(0, 2**63 - 1))
def test_repeated_run_is_bit_identical(batch_size: int, learning_rate: float, seed: int) -> None:
    config = run_config(batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    assert train_alone(config).to_bytes() == train_alone(config).to_bytes()


@FEW_EXAMPLES
@given(batch_size=batch_sizes, segment_steps=st.integers(1, 30))
def test_results_do_not_depend_on_the_length_of_segments(batch_size: int, segment_steps: int) -> None:
    config = run_config(batch_size=batch_size, max_steps=30)
    assert train_alone(config, segment_steps).to_bytes() == train_alone(config).to_bytes()


@FEW_EXAMPLES
@given(batch_size=batch_sizes, short=st.integers(1, 29))
def test_shorter_run_is_a_prefix_of_a_longer_one(batch_size: int, short: int) -> None:
    longer, shorter = (train_alone(run_config(batch_size=batch_size, max_steps=n)) for n in (30, short))
    assert longer.losses[:short].tobytes() == shorter.losses.tobytes()
    assert longer.accuracies[:short].tobytes() == shorter.accuracies.tobytes()


@FEW_EXAMPLES
@given(short=st.integers(1, 29))
def test_longer_run_passes_through_the_weights_of_a_shorter_one(short: int) -> None:
    config = run_config(max_steps=30)
    both = train_lanes([config, replace(config, max_steps=short)])
    assert both[1].to_bytes() == train_alone(replace(config, max_steps=short)).to_bytes()


@FEW_EXAMPLES
@given(every=st.integers(1, 30))
def test_results_do_not_depend_on_evaluations_during_training(every: int) -> None:
    config = run_config(max_steps=30)
    assert (
        train_alone(replace(config, evaluate_every_steps=every)).to_bytes() == train_alone(config).to_bytes()
    )


def test_results_depend_on_the_seed() -> None:
    assert train_alone(run_config(seed=1)).to_bytes() != train_alone(run_config(seed=2)).to_bytes()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be chosen on Linux only")
@pytest.mark.parametrize("cores", [1, 2])
def test_results_do_not_depend_on_process_hash_seed_and_number_of_cores(
    digest_in_this_process: str, cores: int
) -> None:
    there = sorted(os.sched_getaffinity(0))
    if len(there) < cores:
        pytest.skip(f"this machine has {len(there)} core")
    chosen = ",".join(map(str, there[:cores]))
    assert digest_in_new_process(chosen, PYTHONHASHSEED=str(cores)) == digest_in_this_process


@settings(max_examples=15, deadline=None)
@given(
    batch_size=st.sampled_from([1, 2, 7, 13, 50, 101, 150, 997]),
    lanes=st.sampled_from([2, 3, 5, 8, 13, 16, 24, 40]),
    position=st.integers(0, 39),
)
def test_lane_of_a_bit_exact_width_is_bit_identical_to_its_solo_run(
    batch_size: int, lanes: int, position: int
) -> None:
    if not is_width_bit_exact(batch_size, lanes):
        return  # groups of this width are not planned
    position %= lanes
    rates = [float(rate) for rate in np.geomspace(1e-8, 1e-5, lanes)]
    rates[(position + 1) % lanes] = 1e36  # a diverging neighbour: infinities and NaN in the next columns
    configs = [run_config(batch_size=batch_size, learning_rate=rate, max_steps=12) for rate in rates]
    assert train_lanes(configs)[position].to_bytes() == train_alone(configs[position]).to_bytes()


@FEW_EXAMPLES
@given(batch_size=batch_sizes, steps=st.lists(st.integers(1, 12), min_size=2, max_size=6))
def test_removing_finished_lanes_does_not_change_the_others(batch_size: int, steps: list[int]) -> None:
    rates = np.geomspace(1e-8, 1e-5, len(steps)).tolist()
    configs = [
        run_config(batch_size=batch_size, learning_rate=rate, max_steps=count)
        for rate, count in zip(rates, steps, strict=True)
    ]
    if not all(is_width_bit_exact(batch_size, lanes) for lanes in range(2, len(steps) + 1)):
        return  # these lanes are not planned as one group
    together = train_lanes(configs, repack=True)
    assert [lane.to_bytes() for lane in together] == [train_alone(config).to_bytes() for config in configs]
