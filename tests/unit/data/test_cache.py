"""The cache of arrays: whole entries or none, found damaged, built anew."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from swath.datasets import cache as cache_module
from swath.datasets import load, load_dataset, rebuild_dataset

PREPARE = """
import resource, sys
from swath.datasets import load, load_dataset
read_batches = load.read_batches
load.read_batches = lambda *arguments: (print("reads"), read_batches(*arguments))[1]
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
dataset = load_dataset("cifar10", sys.argv[1])
print(dataset.digest, dataset.is_intact())
"""


@pytest.fixture
def no_reading(monkeypatch):
    """From here on, reading a batch file fails the test."""

    def read_batches(spec, source):
        raise AssertionError("batch files were read, though the cache has the images")

    monkeypatch.setattr(load, "read_batches", read_batches)


@pytest.fixture
def own_entry(warm_cache):
    """The path of a cache entry that this test may change."""
    (linked,) = warm_cache.glob("*.arrays")
    content = linked.read_bytes()
    linked.unlink()
    linked.write_bytes(content)
    return linked


def flip_byte(path, position):
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def entries(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "cache.lock")


def test_a_second_load_reads_no_batch_file(warm_cache, batches_dir, no_reading, images_and_labels):
    dataset = load_dataset("cifar10", str(batches_dir))

    assert np.array_equal(dataset.train_images[::1000], images_and_labels[0][:50_000:1000])


def test_a_first_load_leaves_one_entry_behind(cache, batches_dir):
    load_dataset("cifar10", str(batches_dir))

    assert len(entries(cache)) == 1 and entries(cache)[0].endswith(".arrays")


def test_an_untouched_entry_is_intact(warm_cache, batches_dir):
    assert load_dataset("cifar10", str(batches_dir)).is_intact()


@pytest.mark.parametrize("position", [4096, 4096 + 3072 * 50_000, -1])
def test_one_changed_byte_is_found(own_entry, batches_dir, position):
    flip_byte(own_entry, position % own_entry.stat().st_size)

    assert not load_dataset("cifar10", str(batches_dir)).is_intact()


def test_one_changed_byte_is_repaired_by_building_anew(own_entry, batches_dir, images_and_labels):
    flip_byte(own_entry, 5_000)
    rebuild_dataset("cifar10", str(batches_dir))

    repaired = load_dataset("cifar10", str(batches_dir))

    assert repaired.is_intact() and np.array_equal(repaired.train_images[0], images_and_labels[0][0])


def test_images_that_are_in_use_stay_as_they_are_while_the_entry_is_replaced(own_entry, batches_dir):
    before = load_dataset("cifar10", str(batches_dir))
    rebuild_dataset("cifar10", str(batches_dir))

    assert before.is_intact()


@pytest.mark.parametrize("size", [0, 100, 4096, 1_000_000])
def test_an_entry_that_is_cut_short_is_not_read(own_entry, batches_dir, size, monkeypatch):
    os.truncate(own_entry, size)
    monkeypatch.setattr(load, "read_batches", lambda spec, source: (_ for _ in ()).throw(KeyError("read")))

    with pytest.raises(KeyError, match="read"):
        load_dataset("cifar10", str(batches_dir))


@pytest.mark.parametrize("header", [b"[]", b"null", b"{}", b"\xff\xfe", b'{"version": 1}'])
def test_an_entry_with_an_odd_header_is_not_read(own_entry, batches_dir, header, monkeypatch):
    with own_entry.open("r+b") as file:
        file.write(header.ljust(4096))
    monkeypatch.setattr(load, "read_batches", lambda spec, source: (_ for _ in ()).throw(KeyError("read")))

    with pytest.raises(KeyError, match="read"):
        load_dataset("cifar10", str(batches_dir))


def test_an_entry_of_another_version_is_not_read(warm_cache, batches_dir, monkeypatch):
    monkeypatch.setattr(cache_module, "CACHE_VERSION", cache_module.CACHE_VERSION + 1)
    monkeypatch.setattr(load, "read_batches", lambda spec, source: (_ for _ in ()).throw(KeyError("read")))

    with pytest.raises(KeyError, match="read"):
        load_dataset("cifar10", str(batches_dir))


def test_an_entry_of_an_older_version_is_replaced(own_entry, batches_dir, cache, monkeypatch):
    monkeypatch.setattr(cache_module, "CACHE_VERSION", cache_module.CACHE_VERSION + 1)

    load_dataset("cifar10", str(batches_dir))

    assert entries(cache) == [own_entry.name] and b'"version": 2' in own_entry.read_bytes()[:4096]


def test_images_are_read_anew_when_a_batch_file_has_changed(cache, own_batches, images_and_labels):
    load_dataset("cifar10", str(own_batches))
    content = bytearray((own_batches / "test_batch").read_bytes())
    content[content.index(images_and_labels[0][50_000].tobytes())] ^= 1
    (own_batches / "test_batch").unlink()
    (own_batches / "test_batch").write_bytes(content)

    changed = load_dataset("cifar10", str(own_batches))

    assert changed.test_images[0, 0] == images_and_labels[0][50_000, 0] ^ 1


def test_a_changed_source_replaces_its_entry(cache, own_batches):
    load_dataset("cifar10", str(own_batches))
    content = (own_batches / "batches.meta").read_bytes()
    (own_batches / "batches.meta").unlink()  # a link to what other tests read
    (own_batches / "batches.meta").write_bytes(content)

    load_dataset("cifar10", str(own_batches))

    assert len(entries(cache)) == 1


def test_a_crash_while_the_entry_is_put_in_place_leaves_no_entry(cache, batches_dir, monkeypatch):
    class Crash(BaseException):
        pass

    def crash(self, target):
        raise Crash

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(Crash):
        load_dataset("cifar10", str(batches_dir))

    assert entries(cache) == []


def test_what_a_killed_process_left_behind_is_removed(cache, batches_dir):
    cache.mkdir()
    (cache / "cifar10-0000.arrays.1234.part").write_bytes(b"half")

    load_dataset("cifar10", str(batches_dir))

    assert [name for name in entries(cache) if name.endswith(".part")] == []


def test_the_cache_keeps_few_entries(cache, own_entry, own_batches):
    for age in range(cache_module.MAX_ENTRIES):
        old = cache / f"cifar10-{age}.arrays"
        old.touch()
        os.utime(old, (age, age))

    load_dataset("cifar10", str(own_batches))

    assert len(entries(cache)) == cache_module.MAX_ENTRIES and own_entry.exists()


def test_a_cache_folder_that_cannot_be_made_is_done_without(tmp_path, batches_dir, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "cache"))

    dataset = load_dataset("cifar10", str(batches_dir))

    assert dataset.is_intact() and "working without a cache" in caplog.text


def test_images_without_a_cache_are_read_only_too(tmp_path, batches_dir, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "cache"))

    dataset = load_dataset("cifar10", str(batches_dir))

    assert not any(array.flags.writeable for array in (dataset.train_images, dataset.test_labels))


def test_a_disk_that_fills_up_is_done_without(cache, batches_dir):
    command = [sys.executable, "-c", PREPARE, str(batches_dir), "1000000"]

    result = subprocess.run(command, capture_output=True, text=True)

    assert (result.stdout.endswith("True\n"), "without a cache" in result.stderr, entries(cache)) == (
        True,
        True,
        [],
    )


def test_two_processes_that_start_together_build_one_entry(cache, batches_dir):
    command = [sys.executable, "-c", PREPARE, str(batches_dir)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    said = [line for process in processes for line in process.communicate()[0].splitlines()]

    assert (said.count("reads"), len(set(said)), len(entries(cache))) == (1, 2, 1)


def test_an_entry_built_while_waiting_for_the_lock_is_used(warm_cache, batches_dir, no_reading, monkeypatch):
    read = cache_module.Entry.read
    answers = iter([lambda entry: None, read])  # nothing there before the lock is held, all there after
    monkeypatch.setattr(cache_module.Entry, "read", lambda entry: next(answers)(entry))

    assert load_dataset("cifar10", str(batches_dir)).train_images.shape == (50_000, 3072)
