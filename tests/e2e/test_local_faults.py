"""Locked database, full disk, low memory: one clear message, and `resume=true` completes the sweep."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import SWATH, error_lines, swath
from support.forks import TRACKING_PATCH
from support.stores import orphans, whole_store
from support.waiting import SLOW_TO_END, has_steps, running, wait_for

GRID = ("-m", "data=digits", "data.validation_size=300", "batch_size=20,50", "learning_rate=1e-7,1e-6")
COMMAND = (*GRID, "max_steps=300,1000")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The content of the store after an undisturbed sweep."""
    folder = tmp_path_factory.mktemp("reference")
    done = swath(folder, *COMMAND)
    assert done.returncode == 0, done.stderr
    return whole_store(folder)


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a small file system."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system requires root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)


def test_sweep_waits_for_a_locked_database(tmp_path: Path, reference: dict[str, object]) -> None:
    def lock() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db", timeout=60)) as connection:
            connection.execute("begin exclusive")
            time.sleep(30)
            connection.rollback()

    with running(tmp_path, *COMMAND, **{TRACKING_PATCH: SLOW_TO_END}) as process:
        wait_for(lambda: has_steps(tmp_path))
        locking = threading.Thread(target=lock)
        locking.start()
        output, errors = process.communicate(timeout=120)
        locking.join()
    assert process.returncode == 0, errors + output
    assert whole_store(tmp_path) == reference


def test_sweep_resumes_after_the_disk_of_the_database_was_full(
    tmp_path: Path, reference: dict[str, object]
) -> None:
    with small_disk(tmp_path / "disk", 2_600) as disk:
        done = swath(disk, *COMMAND)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr + done.stdout
        assert "disk is full" in done.stderr or "disk I/O error" in done.stderr
        enlarge(disk)
        again = swath(disk, *COMMAND, "resume=true")
        assert again.returncode == 0, again.stderr + again.stdout
        assert whole_store(disk) == reference
        assert orphans(disk) == []


@pytest.mark.parametrize("kilobytes", [4, 24, 52])
def test_sweep_resumes_after_the_disk_of_job_folders_was_full(
    tmp_path: Path, reference: dict[str, object], kilobytes: int
) -> None:
    with small_disk(tmp_path / "jobs", kilobytes) as disk:
        arguments = (*COMMAND, f"hydra.sweep.dir={disk}/sweep")
        done = swath(tmp_path, *arguments)
        assert done.returncode == 1
        assert error_lines(done.stderr) == [
            "swath: the disk is full; free some space, then run the same command with resume=yes"
        ]
        assert "Traceback" not in done.stderr
        enlarge(disk)
        again = swath(tmp_path, *arguments, "resume=true")
        assert again.returncode == 0, again.stderr + again.stdout
        assert whole_store(tmp_path) == reference


def test_sweep_resumes_after_the_disk_of_artifacts_was_full(
    tmp_path: Path, reference: dict[str, object]
) -> None:
    workdir = tmp_path / "place"
    workdir.mkdir()
    with small_disk(tmp_path / "artifacts", 500) as disk:
        arguments = (*COMMAND, f"tracking.artifact_location={disk}")
        done = swath(workdir, *arguments)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr + done.stdout
        enlarge(disk)
        again = swath(workdir, *arguments, "resume=true")
        assert again.returncode == 0, again.stderr + again.stdout
        assert whole_store(workdir) == reference


def test_sweep_continues_if_checkpoints_do_not_fit_on_the_disk(
    tmp_path: Path, reference: dict[str, object]
) -> None:
    workdir = tmp_path / "place"
    workdir.mkdir()
    with small_disk(tmp_path / "cache", 64) as disk:
        done = swath(workdir, *COMMAND, "checkpoint.every_s=0.05", SWATH_CACHE_DIR=str(disk))
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "a checkpoint could not be written" in line]
    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert whole_store(workdir) == reference


@contextlib.contextmanager
def memory_limit(megabytes: int) -> Iterator[Path]:
    """A version 1 control group with a memory limit."""
    own = Path("/proc/self/cgroup").read_text() if Path("/proc/self/cgroup").exists() else ""
    name = next((line.split(":", 2)[2] for line in own.splitlines() if ":memory:" in line), None)
    if name is None:
        pytest.skip("no control group of version 1 for memory")
    group = Path("/sys/fs/cgroup/memory") / name.lstrip("/") / f"swath-{os.getpid()}-{megabytes}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("creating a control group requires root")
    try:
        (group / "memory.limit_in_bytes").write_text(str(megabytes * 1_000_000))
        yield group
    finally:
        group.rmdir()


def run_in_group(group: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    enter = f"open('{group}/cgroup.procs', 'w').write(str(os.getpid()))"
    code = f"import os, sys; {enter}; os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, str(SWATH), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def out_of_memory_kills(group: Path) -> int:
    fields = (group / "memory.oom_control").read_text().split()
    return int(fields[fields.index("oom_kill") + 1]) if "oom_kill" in fields else 0


def test_too_little_memory_is_reported_in_one_line(tmp_path: Path, cifar10_dir: Path) -> None:
    with memory_limit(700) as group:
        done = run_in_group(group, tmp_path, "max_steps=5", f"data.dir={cifar10_dir}")
        assert done.returncode == 1
        (line,) = error_lines(done.stderr)
        assert "not enough memory for cifar10: about" in line
        assert out_of_memory_kills(group) == 0
    assert list(tmp_path.iterdir()) == []


def test_low_memory_makes_groups_narrower(tmp_path: Path, cifar10_dir: Path) -> None:
    rates = ",".join(f"{number}e-9" for number in range(1, 25))
    arguments = ("-m", f"data.dir={cifar10_dir}", "batch_size=2000", f"learning_rate={rates}", "max_steps=2")
    with memory_limit(1_250) as group:
        done = run_in_group(group, tmp_path, *arguments)
        assert out_of_memory_kills(group) == 0
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Little memory available: at batch_size=2000" in done.stderr
    assert "24 of 24 runs finished" in done.stderr
