"""Memory and processors available under the limits of the process and its control groups."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swath.system import available_bytes, machine, process_age_s, workers

Files = dict[str, str]


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Files], None]:
    """Function that installs the text of /proc/self/cgroup and files of /sys/fs/cgroup, by relative path."""
    read_text = Path.read_text

    def install(own_cgroup: str, files: Files) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(machine, "CGROUPS", tmp_path)
        monkeypatch.setattr(
            Path,
            "read_text",
            lambda path: own_cgroup if str(path) == "/proc/self/cgroup" else read_text(path),
        )

    return install


@pytest.fixture(autouse=True)
def sixteen_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


@pytest.mark.parametrize(
    ("own_cgroup", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 16),
        ("0::/job/step\n", {"job/step/cpu.max": "max 100000\n", "job/cpu.max": "300000 100000\n"}, 3),
        ("0::/job/step\n", {"job/step/cpu.max": "200000 100000\n", "job/cpu.max": "300000 100000\n"}, 2),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "500000", "cpu/cpu.cfs_period_us": "100000"}, 5),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("4:memory:/\n", {"cpu/cpu.cfs_quota_us": "500000", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("0::/\n", {"cpu.max": "damaged"}, 16),
        ("0::/\n", {}, 16),
    ],
    ids=[
        "no quota", "whole", "rounded up", "at least one", "above the affinity", "of a parent", "smallest",
        "version 1", "version 1 without quota", "other controller", "damaged", "no files",
    ],
)  # fmt: skip
def test_workers_respect_cpu_quotas(
    cgroups: Callable[[str, Files], None], own_cgroup: str, files: Files, expected: int
) -> None:
    cgroups(own_cgroup, files)

    assert workers() == expected


def test_workers_respect_the_affinity_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)

    assert workers() == 1


@pytest.mark.parametrize(("told", "expected"), [("2", 2), ("64", 16), ("", 16), ("two", 16), ("0", 1)])
def test_workers_respect_the_share_that_a_launcher_tells(
    monkeypatch: pytest.MonkeyPatch, told: str, expected: int
) -> None:
    monkeypatch.setenv("SWATH_CPUS", told)

    assert workers() == expected


@pytest.mark.parametrize(
    ("own_cgroup", "files"),
    [
        ("0::/job\n", {
            "job/memory.max": "5000",
            "job/memory.current": "4000",
            "job/memory.stat": "inactive_file 500",
        }),
        ("9:memory:/\n", {
            "memory/memory.limit_in_bytes": "5000",
            "memory/memory.usage_in_bytes": "4000",
            "memory/memory.stat": "cache 1\ntotal_inactive_file 500",
        }),
    ],
    ids=["version 2", "version 1"],
)  # fmt: skip
def test_available_bytes_respect_memory_limits(
    cgroups: Callable[[str, Files], None], own_cgroup: str, files: Files
) -> None:
    cgroups(own_cgroup, files)

    assert available_bytes() == 1_500


def test_age_of_a_process_begins_before_python_has_imported_anything() -> None:
    code = "import time; time.sleep(1); from swath.system import process_age_s; print(process_age_s())"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1.0 <= float(done.stdout) <= time.monotonic() - began + 0.1  # the kernel counts in hundredths
    assert process_age_s() > 0
