"""Lane widths: the widest one that is requested, fits into memory and is bit-exact; results are cached."""

from pathlib import Path

import pytest
from support.small import run_config

from swath.config import DataConfig
from swath.datasets import DATASETS
from swath.planning import LaneWidths, plan_groups, read_verified, remember_verified, width_key
from swath.planning.cost import group_bytes

CIFAR10 = DATASETS["cifar10"]

PLENTY = 10**12
"""Bytes of memory; more than any group needs."""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path))
    return tmp_path


def widths(*exact: int, most: int = 24, verified: int = 64) -> LaneWidths:
    """Widths of which those up to `verified` have been probed, and only those in `exact` are bit-exact."""
    answers = {width_key(run_config(), width, CIFAR10): width in exact for width in range(2, verified + 1)}
    return LaneWidths(most, PLENTY, answers)


def test_requested_width_is_used_if_it_is_bit_exact() -> None:
    assert widths(7)(run_config(), 7) == 7


def test_narrower_width_is_used_if_the_requested_one_is_not_bit_exact() -> None:
    assert widths(4, 2)(run_config(), 10) == 4


def test_width_does_not_exceed_the_requested_one() -> None:
    assert widths(*range(100), most=5)(run_config(), 30) == 5


def test_unverified_width_counts_as_bit_exact_and_is_listed() -> None:
    unknown = LaneWidths(24, PLENTY)
    configs = [run_config(learning_rate=rate * 1e-7) for rate in range(1, 8)]
    groups = plan_groups(configs, unknown)
    assert [len(group.lanes) for group in groups] == [7]
    assert unknown.unverified(groups) == [(configs[0], 7)]
    assert unknown.with_answer(configs[0], 7, True).unverified(groups) == []


def test_plan_is_narrower_after_a_width_was_rejected() -> None:
    configs = [run_config(learning_rate=rate * 1e-7) for rate in range(1, 8)]
    refused = LaneWidths(24, PLENTY).with_answer(configs[0], 7, False)
    assert [len(group.lanes) for group in plan_groups(configs, refused)] == [4, 3]


def test_one_lane_is_never_verified() -> None:
    assert LaneWidths(24, PLENTY).unverified(plan_groups([run_config()])) == []


def test_solo_training_is_noted_once_for_each_batch_size() -> None:
    configs = [run_config(learning_rate=rate * 1e-7) for rate in range(1, 8)]
    (note,) = widths()(configs[0], 7) == 1 and list(widths().notes(configs))
    assert note == (
        "No width is bit-exact on this machine for batch_size=10; these configurations are trained one "
        "at a time."
    )
    assert list(widths(7).notes(configs)) == []


def test_groups_fit_into_the_available_memory() -> None:
    memory_bytes, config = 2 * 10**9, run_config(batch_size=100)
    widest = LaneWidths(100_000, memory_bytes)(config, 50_000)
    assert group_bytes(config, widest, CIFAR10) <= memory_bytes < group_bytes(config, widest + 1, CIFAR10)
    assert LaneWidths(24, memory_bytes=1)(run_config(), 10) == 1


def test_low_memory_is_noted() -> None:
    configs = [run_config(learning_rate=rate * 1e-7) for rate in range(1, 8)]
    assert list(LaneWidths(24, 1).notes(configs)) == [
        "Little memory available: at batch_size=10, at most 1 of 7 lanes are trained together."
    ]


def test_memory_note_counts_lanes_instead_of_configurations() -> None:
    configs = [
        run_config(learning_rate=1e-7, max_steps=steps, seed=seed) for steps in (5, 9) for seed in (0, 1)
    ]
    assert list(LaneWidths(24, 1).notes(configs)) == []


def test_probe_results_are_cached_for_the_next_process() -> None:
    remember_verified(width_key(run_config(), 7, CIFAR10), False)
    remember_verified(width_key(run_config(), 6, CIFAR10), True)
    assert read_verified() == {
        width_key(run_config(), 7, CIFAR10): False,
        width_key(run_config(), 6, CIFAR10): True,
    }


def test_key_of_a_width_names_model_program_and_sizes() -> None:
    expected = (
        "softmax_regression pixels=3072 classes=10 preprocessing=mean_image augment=none "
        "model.name=softmax_regression optimizer.name=sgd batch_size=10 lanes=7"
    )
    assert width_key(run_config(), 7, CIFAR10) == expected
    other_data = run_config(data=DataConfig("digits", 300))
    assert width_key(other_data, 7, DATASETS["digits"]) == expected  # only its sizes matter


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"batch_size=10 lanes=7": "yes"}'])
def test_damaged_cache_is_ignored_and_replaced(damage: str, empty_cache: Path) -> None:
    remember_verified(width_key(run_config(), 7, CIFAR10), True)
    (file,) = empty_cache.glob("lanes-*.json")
    file.write_text(damage, encoding="utf-8")
    assert read_verified() == {}
    remember_verified(width_key(run_config(), 8, CIFAR10), True)
    assert read_verified() == {width_key(run_config(), 8, CIFAR10): True}


def test_cache_that_cannot_be_written_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "below"))
    remember_verified(width_key(run_config(), 7, CIFAR10), True)
    assert read_verified() == {}
