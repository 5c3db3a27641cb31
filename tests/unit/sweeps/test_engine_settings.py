"""Settings that an engine does not know, and the memory of a worker."""

import re
from dataclasses import replace
from typing import Any

import pytest

from swath.config import SweepConfig, default_sweep_config
from swath.errors import SwathError
from swath.sweeps import engine_notes, engine_settings, ignored_settings, launching
from swath.sweeps.engine_settings import worker_memory
from swath.sweeps.lots import LotFile


def settings(name: str, **executor: Any) -> SweepConfig:
    base = default_sweep_config()
    return replace(base, executor=replace(base.executor, name=name, **executor))


@pytest.mark.parametrize(
    ("name", "executor", "line"),
    [
        (
            "ray",
            {"time": 30},
            r"executor\.time=30: executor=ray does not know it; expected executor=slurm, or",
        ),
        ("processes", {"partition": "p"}, r"partition=p: executor=processes does not .* executor=slurm, or"),
        ("slurm", {"address": "a:1"}, r"address=a:1: executor=slurm does not know it; expected executor=ray"),
        (
            "threads",
            {"memory": 9},
            r"expected executor=processes or executor=slurm or executor=ray, or leave",
        ),
        ("ray", {"lines": ["--x"]}, r"executor\.lines=\['--x'\]: executor=ray does not know it"),
    ],
)
def test_setting_that_the_engine_would_ignore_is_one_line(
    name: str, executor: dict[str, Any], line: str
) -> None:
    (found,) = ignored_settings(settings(name, **executor))
    assert re.search(line, found)


def test_what_an_engine_knows_is_no_mistake() -> None:
    asked = {"time": 30, "partition": "p", "constraint": "c", "account": "a", "lines": ["--x"], "memory": 9}
    assert list(ignored_settings(settings("slurm", **asked))) == []
    assert list(ignored_settings(settings("ray", memory=9, address="a:1"))) == []
    assert list(ignored_settings(settings("processes", memory=9))) == []


def test_short_time_limit_is_noted() -> None:
    (line,) = engine_notes(settings("slurm", time=4))
    assert line.startswith("executor.time=4: a worker needs a minute to start and to save a checkpoint")
    assert list(engine_notes(settings("slurm", time=5))) == list(engine_notes(settings("slurm"))) == []


@pytest.mark.parametrize(
    ("name", "executor", "elsewhere", "expected"),
    [
        ("threads", {"workers": 4}, False, 1000 * 2**20),
        ("processes", {"workers": 4}, False, 250 * 2**20),
        ("processes", {"workers": 4, "memory": 300}, False, 300 * 2**20),
        ("processes", {"workers": 4, "memory": 3000}, False, 1000 * 2**20),
        ("slurm", {"workers": 4, "memory": 3000}, True, 3000 * 2**20),
        ("slurm", {"workers": 4, "memory": 3000}, False, 1000 * 2**20),
        ("slurm", {"workers": 4}, False, 1000 * 2**20),
    ],
)
def test_memory_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, name: str, executor: dict[str, Any], elsewhere: bool, expected: int
) -> None:
    monkeypatch.setattr(engine_settings, "available_bytes", lambda: 1000 * 2**20)
    assert worker_memory(settings(name, **executor), elsewhere=elsewhere) == expected


def test_lots_are_planned_with_the_memory_and_the_processors_of_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def widths(most: object, memory: int, *_: object) -> None:
        seen.append(memory)
        raise SwathError("seen")

    monkeypatch.setattr(engine_settings, "available_bytes", lambda: 1000 * 2**20)
    monkeypatch.setattr(launching, "LaneWidths", widths)
    nothing: Any = None
    with pytest.raises(SwathError, match="seen"):
        common = LotFile(nothing, settings("processes", workers=5, cpus=2), (), nothing)
        launching.lot_files(common, [nothing], {})
    assert seen == [1000 * 2**20 // 5 // 2 // 2]  # half of a worker's share, for each of its groups
