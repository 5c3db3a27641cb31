"""A locked database, a full disk, little memory: one clear line, and `resume=true` ends whole."""

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
from support.command import SWATH, swath
from support.stores import orphans, whole_store
from support.waiting import has_steps, running, wait_for

GRID = ("-m", "data=digits", "data.validation_size=300", "batch_size=20,50", "learning_rate=1e-7,1e-6")
WORDS = (*GRID, "max_steps=300,2000")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the sweep stores where nothing happens."""
    folder = tmp_path_factory.mktemp("reference")
    done = swath(folder, *WORDS)
    assert done.returncode == 0, done.stderr
    return whole_store(folder)


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is for root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)


def test_database_that_is_locked_for_half_a_minute_is_waited_for(
    tmp_path: Path, reference: dict[str, object]
) -> None:
    def lock() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db", timeout=60)) as connection:
            connection.execute("begin exclusive")
            time.sleep(30)
            connection.rollback()

    with running(tmp_path, *WORDS) as process:
        wait_for(lambda: has_steps(tmp_path))
        locking = threading.Thread(target=lock)
        locking.start()
        output, errors = process.communicate(timeout=120)
        locking.join()
    assert process.returncode == 0, errors + output
    assert whole_store(tmp_path) == reference


def test_disk_that_fills_up_while_steps_are_stored(tmp_path: Path, reference: dict[str, object]) -> None:
    with small_disk(tmp_path / "disk", 2_600) as disk:
        done = swath(disk, *WORDS)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr + done.stdout
        assert "disk is full" in done.stdout + done.stderr or "disk I/O error" in done.stdout + done.stderr
        enlarge(disk)
        again = swath(disk, *WORDS, "resume=true")
        assert again.returncode == 0, again.stderr + again.stdout
        assert whole_store(disk) == reference
        assert orphans(disk) == []


@pytest.mark.parametrize("kilobytes", [4, 24, 52])
def test_disk_without_room_for_the_folders_of_jobs(
    tmp_path: Path, reference: dict[str, object], kilobytes: int
) -> None:
    with small_disk(tmp_path / "jobs", kilobytes) as disk:
        words = (*WORDS, f"hydra.sweep.dir={disk}/sweep")
        done = swath(tmp_path, *words)
        assert done.returncode == 1
        assert done.stderr == (
            "swath: the disk is full; free some space, then run the same command with resume=yes\n"
        )
        enlarge(disk)
        again = swath(tmp_path, *words, "resume=true")
        assert again.returncode == 0, again.stderr + again.stdout
        assert whole_store(tmp_path) == reference


def test_disk_that_fills_up_while_weights_are_written(tmp_path: Path, reference: dict[str, object]) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with small_disk(tmp_path / "artifacts", 500) as disk:
        words = (*WORDS, f"tracking.artifact_location={disk}")
        done = swath(place, *words)
        assert done.returncode == 1
        assert "No space left on device" in done.stdout
        assert "Traceback" not in done.stderr + done.stdout
        enlarge(disk)
        again = swath(place, *words, "resume=true")
        assert again.returncode == 0, again.stderr + again.stdout
        assert whole_store(place) == reference


def test_disk_that_is_too_small_for_checkpoints_ends_no_sweep(
    tmp_path: Path, reference: dict[str, object]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with small_disk(tmp_path / "cache", 64) as disk:
        done = swath(place, *WORDS, "checkpoint.every_s=0.05", SWATH_CACHE_DIR=str(disk))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "a checkpoint could not be written" in line]
    assert len(said) == 1
    assert "No space left on device" in said[0]
    assert whole_store(place) == reference


@contextlib.contextmanager
def memory_limit(megabytes: int) -> Iterator[Path]:
    """A control group of version 1 with a limit on memory; its file of processes."""
    own = Path("/proc/self/cgroup").read_text() if Path("/proc/self/cgroup").exists() else ""
    name = next((line.split(":", 2)[2] for line in own.splitlines() if ":memory:" in line), None)
    if name is None:
        pytest.skip("no control group of version 1 for memory")
    group = Path("/sys/fs/cgroup/memory") / name.lstrip("/") / f"swath-{os.getpid()}-{megabytes}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("making a control group is for root only")
    try:
        (group / "memory.limit_in_bytes").write_text(str(megabytes * 1_000_000))
        yield group
    finally:
        group.rmdir()


def limited(group: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    enter = f"open('{group}/cgroup.procs', 'w').write(str(os.getpid()))"
    code = f"import os, sys; {enter}; os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, str(SWATH), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def killed_by_the_kernel(group: Path) -> int:
    words = (group / "memory.oom_control").read_text().split()
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0


def test_too_little_memory_is_one_line(tmp_path: Path, cifar10_dir: Path) -> None:
    with memory_limit(700) as group:
        done = limited(group, tmp_path, "max_steps=5", f"data.dir={cifar10_dir}")
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "not enough memory for cifar10: about" in line
        assert killed_by_the_kernel(group) == 0
    assert list(tmp_path.iterdir()) == []


def test_little_memory_makes_groups_narrower(tmp_path: Path, cifar10_dir: Path) -> None:
    rates = ",".join(f"{number}e-9" for number in range(1, 25))
    words = ("-m", f"data.dir={cifar10_dir}", "batch_size=2000", f"learning_rate={rates}", "max_steps=2")
    with memory_limit(1_250) as group:
        done = limited(group, tmp_path, *words)
        assert killed_by_the_kernel(group) == 0
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Little memory available: at batch_size=2000" in done.stdout
    assert "24 of 24 configurations finished" in done.stdout
