"""The cache of arrays: entries are written atomically, and damaged entries are rebuilt."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import support
from numpy.typing import NDArray
from support.batches import SMALL

from swath.datasets import Dataset
from swath.datasets import cache as cache_module
from swath.datasets.cifar import BatchedSpec
from swath.datasets.source import Source

PREPARE = """
import os, resource, sys, time
from pathlib import Path
from support.batches import SMALL
from swath.datasets.cifar import BatchedSpec

class AnnouncedSpec(BatchedSpec):
    def read(self, source):
        print("reads")
        time.sleep(0.5)  # so that two processes overlap
        return super().read(source)

if sys.argv[2] == "disk full":
    sys.dont_write_bytecode = True  # Python would keep the first 10,000 bytes of a compiled module
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000,) * 2)
if sys.argv[2] == "killed":
    Path.replace = lambda *_: os.kill(os.getpid(), 9)
dataset = AnnouncedSpec(**vars(SMALL)).load(sys.argv[1])
print(dataset.digest, dataset.is_intact())
"""

ImagesAndLabels = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def prepare(batches_dir: Path, how: str = "") -> subprocess.Popen[str]:
    """Start a process that loads the small data set."""
    environment = os.environ | {"PYTHONPATH": str(Path(support.__path__[0]).parent)}
    command = [sys.executable, "-c", PREPARE, str(batches_dir), how]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


class BatchesReadError(Exception):
    """Batch files were read although the cache should have been used."""


@dataclass(frozen=True)
class CachedSpec(BatchedSpec):
    """The small data set, whose batch files must not be read."""

    def read(self, source: Source) -> Dataset:
        raise BatchesReadError


CACHED = CachedSpec(**vars(SMALL))


@pytest.fixture
def entry(cache: Path, batches_dir: Path) -> Path:
    """The path of the cache entry of the small data set."""
    SMALL.load(str(batches_dir))
    (path,) = cache.glob("*.arrays")
    return path


def flip_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "cache.lock")


def test_a_second_load_reads_no_batch_file(
    entry: Path, batches_dir: Path, images_and_labels: ImagesAndLabels
) -> None:
    dataset = CACHED.load(str(batches_dir))

    assert np.array_equal(dataset.train_images, images_and_labels[0][:100])
    assert np.array_equal(dataset.test_labels, images_and_labels[1][100:])


def test_a_cached_data_set_has_the_sizes_and_names_of_its_specification(
    entry: Path, batches_dir: Path
) -> None:
    dataset = CACHED.load(str(batches_dir))

    assert (dataset.image_shape, dataset.class_names) == (SMALL.image_shape, SMALL.class_names)
    assert (dataset.pixels, dataset.num_classes) == (192, 10)


def test_first_load_creates_one_entry(cache: Path, entry: Path) -> None:
    assert entries(cache) == [entry.name]


def test_unchanged_entry_is_intact(entry: Path, batches_dir: Path) -> None:
    assert CACHED.load(str(batches_dir)).is_intact()


@pytest.mark.parametrize("position", [4096, 4096 + 192 * 100, -1])
def test_changed_byte_is_detected(entry: Path, batches_dir: Path, position: int) -> None:
    flip_byte(entry, position)

    assert not CACHED.load(str(batches_dir)).is_intact()


def test_entry_with_a_changed_byte_is_rebuilt(
    entry: Path, batches_dir: Path, images_and_labels: ImagesAndLabels
) -> None:
    flip_byte(entry, 5_000)

    SMALL.load(str(batches_dir), rebuild=True)

    repaired = CACHED.load(str(batches_dir))
    assert repaired.is_intact() and np.array_equal(repaired.train_images, images_and_labels[0][:100])


def test_images_in_use_do_not_change_when_the_entry_is_replaced(entry: Path, batches_dir: Path) -> None:
    before = CACHED.load(str(batches_dir))

    SMALL.load(str(batches_dir), rebuild=True)

    assert before.is_intact()


@pytest.mark.parametrize("size", [0, 100, 4096, 20_000])
def test_truncated_entry_is_not_read(entry: Path, batches_dir: Path, size: int) -> None:
    os.truncate(entry, size)

    with pytest.raises(BatchesReadError):
        CACHED.load(str(batches_dir))


@pytest.mark.parametrize("header", [b"[]", b"null", b"{}", b"\xff\xfe", b'{"version": 1}'])
def test_an_entry_with_a_damaged_header_is_not_read(entry: Path, batches_dir: Path, header: bytes) -> None:
    entry.write_bytes(header.ljust(4096) + entry.read_bytes()[4096:])

    with pytest.raises(BatchesReadError):
        CACHED.load(str(batches_dir))


def test_an_entry_of_another_version_is_not_read(
    entry: Path, batches_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "CACHE_VERSION", cache_module.CACHE_VERSION + 1)

    with pytest.raises(BatchesReadError):
        CACHED.load(str(batches_dir))


def test_an_entry_of_an_older_version_is_replaced(
    entry: Path, batches_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "CACHE_VERSION", cache_module.CACHE_VERSION + 1)

    SMALL.load(str(batches_dir))

    assert entries(cache) == [entry.name] and b'"version": 2' in entry.read_bytes()[:4096]


def test_images_are_read_again_when_a_batch_file_has_changed(
    entry: Path, batches_dir: Path, batches: Path, images_and_labels: ImagesAndLabels
) -> None:
    content = (batches / "test_batch").read_bytes()
    flip_byte(batches / "test_batch", content.index(images_and_labels[0][100].tobytes()))

    changed = SMALL.load(str(batches_dir))

    assert changed.test_images[0, 0] == images_and_labels[0][100, 0] ^ 1


def test_a_changed_source_replaces_its_entry(
    entry: Path, batches_dir: Path, batches: Path, cache: Path
) -> None:
    os.utime(batches / "batches.meta", (1, 1))

    SMALL.load(str(batches_dir))

    assert entries(cache) == [entry.name]


def test_crash_during_the_rename_leaves_no_entry(
    cache: Path, batches_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CrashError(BaseException):
        pass

    def crash(*_: object) -> None:
        raise CrashError

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(CrashError):
        SMALL.load(str(batches_dir))

    assert entries(cache) == []


def test_a_killed_process_leaves_no_entry_and_its_temporary_file_is_removed(
    cache: Path, batches_dir: Path
) -> None:
    prepare(batches_dir, "killed").communicate()
    left = entries(cache)

    SMALL.load(str(batches_dir))

    assert [name.endswith(".part") for name in left] == [True]
    assert [name.endswith(".arrays") for name in entries(cache)] == [True]


def test_the_oldest_entries_are_removed_where_all_are_too_large(
    cache: Path, batches_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    old = [f"small-{age}.arrays" for age in range(6)]
    for age, name in enumerate(old):
        (cache / name).write_bytes(bytes(1_000))
        os.utime(cache / name, (age, age))
    SMALL.load(str(batches_dir))
    (new,) = set(entries(cache)) - set(old)
    assert len(entries(cache)) == 7

    size = (cache / new).stat().st_size
    (cache / new).unlink()
    monkeypatch.setattr(cache_module, "MOST_BYTES", size + 4_500)
    SMALL.load(str(batches_dir))
    assert sorted(entries(cache)) == sorted([*old[2:], new])

    (cache / new).unlink()
    monkeypatch.setattr(cache_module, "MOST_BYTES", 0)
    SMALL.load(str(batches_dir))
    assert entries(cache) == [new]


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that cannot be created."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "cache"))


@pytest.mark.usefixtures("no_cache")
def test_loading_works_without_a_cache_folder(batches_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = SMALL.load(str(batches_dir))

    assert dataset.is_intact() and "working without a cache" in caplog.text


@pytest.mark.usefixtures("no_cache")
def test_images_are_read_only_without_a_cache_too(batches_dir: Path) -> None:
    dataset = SMALL.load(str(batches_dir))

    assert not any(array.flags.writeable for array in (dataset.train_images, dataset.test_labels))


def test_loading_works_when_the_disk_of_the_cache_is_full(cache: Path, batches_dir: Path) -> None:
    output, errors = prepare(batches_dir, "disk full").communicate()

    assert output.endswith("True\n") and "without a cache" in errors
    assert entries(cache) == []


def test_two_processes_that_start_together_build_one_entry(cache: Path, batches_dir: Path) -> None:
    processes = [prepare(batches_dir) for _ in range(2)]

    printed = [line for process in processes for line in process.communicate()[0].splitlines()]

    assert (printed.count("reads"), len(set(printed)), len(entries(cache))) == (1, 2, 1)


def test_an_entry_written_while_waiting_for_the_lock_is_used(
    entry: Path, batches_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = cache_module.Entry.read
    answers = iter([lambda _: None, read])  # no entry before the lock is held, an entry afterwards
    monkeypatch.setattr(cache_module.Entry, "read", lambda entry: next(answers)(entry))

    assert CACHED.load(str(batches_dir)).train_images.shape == (100, 192)
