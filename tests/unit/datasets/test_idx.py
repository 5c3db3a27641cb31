"""IDX files: found packed or unpacked, read as they are, and refused if a byte is wrong."""

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from swath.datasets import Dataset
from swath.datasets.idx_files import read_idx
from swath.datasets.mnist import FASHION_MNIST, MNIST, IdxSpec
from swath.errors import DataError

SMALL = replace(MNIST, image_shape=(1, 4, 5), train_images=30, test_images=10)
GENERATOR = np.random.default_rng(0)
ARRAYS = (
    GENERATOR.integers(0, 256, (30, 4, 5), dtype=np.uint8),
    GENERATOR.integers(0, 10, 30, dtype=np.uint8),
    GENERATOR.integers(0, 256, (10, 4, 5), dtype=np.uint8),
    GENERATOR.integers(0, 10, 10, dtype=np.uint8),
)
LABELS = "t10k-labels-idx1-ubyte"


def idx(array: NDArray[np.uint8]) -> bytes:
    """An array in the official layout."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the four packed files, as torchvision places them."""
    place = tmp_path / "data" / "MNIST" / "raw"
    place.mkdir(parents=True)
    for name, array in zip(SMALL.layout.files, ARRAYS, strict=True):
        (place / name).write_bytes(gzip.compress(idx(array), mtime=0))
    return place


def assert_equal(dataset: Dataset) -> None:
    train_images, train_labels, test_images, test_labels = ARRAYS
    assert np.array_equal(dataset.train_images, train_images.reshape(30, 20))
    assert np.array_equal(dataset.train_labels, train_labels)
    assert np.array_equal(dataset.test_images, test_images.reshape(10, 20))
    assert np.array_equal(dataset.test_labels, test_labels)
    assert dataset.train_labels.dtype == np.uint8
    assert dataset.is_intact()


def test_packed_files_are_read_and_then_loaded_from_the_cache(folder: Path) -> None:
    assert_equal(SMALL.load(str(folder)))
    (folder / f"{LABELS}.gz").touch()
    assert_equal(SMALL.load(str(folder.parents[1])))
    assert_equal(SMALL.load(str(folder.parents[1])))


def test_unpacked_files_are_read(folder: Path) -> None:
    for file in folder.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()

    assert_equal(SMALL.load(str(folder)))


def test_the_common_folder_of_all_data_sets_is_no_folder_of_mnist(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWATH_DATA_DIR", str(folder))
    with pytest.raises(DataError, match=r"no MNIST in .*, given as SWATH_DATA_DIR: none of its files"):
        SMALL.check_available()

    monkeypatch.setenv("SWATH_DATA_DIR", str(folder.parents[1]))
    assert SMALL.load().source == "SWATH_DATA_DIR"


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / f"{LABELS}.gz").unlink()

    with pytest.raises(DataError, match=rf"{LABELS}\.gz is missing$"):
        SMALL.check_available(str(folder))


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        SMALL.check_available(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds 0 bytes, expected 18"),
        (idx(ARRAYS[3])[:-1], "holds 17 bytes, expected 18"),
        (idx(ARRAYS[3]) + b"\0", "has 19 bytes, expected at most 18"),
        (b"\0\0\x09" + idx(ARRAYS[3])[3:], "begins with 000009010000000a, expected 000008010000000a"),
        (idx(np.full(10, 10, np.uint8)), r"holds the label 10, expected 0\.\.9"),
    ],
    ids=["empty", "short", "long", "another type", "another label"],
)
def test_an_unpacked_file_that_is_not_the_array_is_refused(content: bytes, reason: str, folder: Path) -> None:
    (folder / f"{LABELS}.gz").unlink()
    (folder / LABELS).write_bytes(content)

    with pytest.raises(DataError, match=rf"^{LABELS} {reason}") as caught:
        SMALL.load(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(idx(ARRAYS[3]))[:-9], "Compressed file ended"),
        (b"no gzip at all", "Not a gzipped file"),
        (gzip.compress(idx(ARRAYS[3]) + b"\0" * 10_000_000)[:4_000], "holds more bytes, expected 18"),
        (bytes(5_000), "has 5,000 bytes, expected at most 4,114"),
    ],
    ids=["cut off", "unpacked", "bomb", "too large"],
)
def test_a_packed_file_that_is_not_the_array_is_refused(content: bytes, reason: str, folder: Path) -> None:
    (folder / f"{LABELS}.gz").write_bytes(content)

    with pytest.raises(DataError, match=rf"{LABELS}\.gz.*{reason}"):
        SMALL.load(str(folder))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_well_formed(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx(ARRAYS[2]), mtime=0))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "images.gz").write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))

    try:
        found = read_idx(tmp_path / "images.gz", (10, 4, 5), "get it again")
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert (found.shape, found.dtype) == ((10, 4, 5), np.uint8)


@pytest.mark.parametrize("spec", [MNIST, FASHION_MNIST], ids=lambda spec: spec.name)
def test_each_official_file_has_its_own_digest(spec: IdxSpec) -> None:
    digests = [sha256 for _, sha256 in spec.layout.sha256]

    assert len({*digests}) == 4
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in digests)


def test_files_that_were_downloaded_before_are_not_fetched_again(folder: Path, cache: Path) -> None:
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SMALL.layout.files}
    layout = replace(SMALL.layout, sha256=tuple(digests.items()), url="http://127.0.0.1:9/")
    (cache / "mnist").mkdir(parents=True)
    for name in digests:
        (cache / "mnist" / name).write_bytes((folder / name).read_bytes())

    assert_equal(replace(SMALL, layout=layout).load())
