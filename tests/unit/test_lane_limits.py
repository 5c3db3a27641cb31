"""A width is used where it was found to keep the bits; the answer is remembered."""

from pathlib import Path

import pytest
from support.small import run_config

from swath.config import TrainConfig
from swath.planning import LaneWidths
from swath.planning.cost import group_bytes


class Probe:
    """Says which widths keep the bits, and counts how often it was asked."""

    def __init__(self, *kept: int) -> None:
        self.kept = kept
        self.asked: list[int] = []

    def __call__(self, config: TrainConfig, lanes: int) -> bool:
        self.asked.append(lanes)
        return lanes in self.kept


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path))
    return tmp_path


PLENTY = 10**12


def limits(probe: Probe, max_lanes: int = 24, memory_bytes: int = PLENTY) -> LaneWidths:
    return LaneWidths(max_lanes, memory_bytes, probe)


def test_wanted_width_is_used_where_it_keeps_the_bits() -> None:
    assert limits(Probe(7), 24)(run_config(), 7) == 7


def test_narrower_width_is_used_where_the_wanted_one_does_not_keep_them() -> None:
    probe = Probe(4, 2)
    assert limits(probe, 24)(run_config(), 10) == 4
    assert probe.asked == [10, 8, 6, 4]


def test_no_width_is_above_what_was_asked_for() -> None:
    assert limits(Probe(*range(100)), 5)(run_config(), 30) == 5


def test_configurations_are_trained_alone_where_nothing_holds_and_that_is_said_once() -> None:
    told: list[str] = []
    alone = LaneWidths(24, PLENTY, Probe(), told.append)
    assert [alone(run_config(), 30) for _ in range(3)] == [1, 1, 1]
    (line,) = told
    assert line.startswith("On this machine no number of lanes keeps the bits at batch_size=10;")


def test_no_group_takes_more_memory_than_there_is() -> None:
    probe = Probe(*range(100_000))
    memory_bytes = 2 * 10**9
    widest = limits(probe, 100_000, memory_bytes)(run_config(batch_size=100), 50_000)
    assert group_bytes(100, widest) <= memory_bytes < group_bytes(100, widest + 1)
    assert limits(probe, 24, memory_bytes=1)(run_config(), 10) == 1


def test_without_a_probe_nothing_is_found_out_or_kept(empty_cache: Path) -> None:
    planning = LaneWidths(24, PLENTY)
    assert planning(run_config(), 7) == 7
    assert planning.unverified == {"batch_size=10 lanes=7"}
    assert list(empty_cache.iterdir()) == []


def test_one_lane_needs_no_probe() -> None:
    probe = Probe()
    assert limits(probe, 24)(run_config(), 1) == 1
    assert probe.asked == []


def test_answers_are_remembered_for_the_next_process() -> None:
    first, second = Probe(6), Probe(6)
    limits(first, 24)(run_config(), 7)
    assert limits(second, 24)(run_config(), 7) == 6
    assert first.asked == [7, 6]
    assert second.asked == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"batch_size=10 lanes=7": "yes"}'])
def test_damaged_memory_is_found_out_anew(damage: str, empty_cache: Path) -> None:
    limits(Probe(7), 24)(run_config(), 7)
    (file,) = empty_cache.glob("lanes-*.json")
    file.write_text(damage, encoding="utf-8")
    probe = Probe(7)
    assert limits(probe, 24)(run_config(), 7) == 7
    assert probe.asked == [7]


def test_cache_that_cannot_be_written_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert limits(Probe(7), 24)(run_config(), 7) == 7
