"""Arrays of a run's files are read as NumPy reads them, and damaged files are refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.errors import SwathError
from swath.tracking import StoredRun, read_arrays

KINDS = ("uint8", "float32", "float64", "int64", "bool", "<U3", ">f4")


def run_in(folder: Path) -> StoredRun:
    return StoredRun("a" * 32, "1", "", "FINISHED", 0, None, str(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=4),
        st.tuples(
            st.sampled_from(KINDS), st.lists(st.integers(0, 4), max_size=3).map(tuple), st.sampled_from("CF")
        ),
        max_size=3,
    ),
    st.booleans(),
)
def test_arrays_are_read_as_numpy_reads_them(
    folder: Path, described: dict[str, tuple[str, tuple[int, ...], Any]], compressed: bool
) -> None:
    arrays = {
        name: np.asarray(np.arange(np.prod(shape)).reshape(shape).astype(kind), order=order)
        for name, (kind, shape, order) in described.items()
    }
    (np.savez_compressed if compressed else np.savez)(folder / "x.npz", **arrays)
    with np.load(folder / "x.npz") as stored:
        expected = dict(stored)
    found = read_arrays(run_in(folder), "x.npz")
    assert list(found) == list(expected)
    for name, array in found.items():
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
        assert array.tobytes() == expected[name].tobytes()
        assert array.flags.writeable
        assert array.flags.f_contiguous == expected[name].flags.f_contiguous


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}, None], object))
    with pytest.raises(SwathError, match=r"x.npz is damaged \(it holds pickled objects\)"):
        read_arrays(run_in(tmp_path), "x.npz")


@pytest.mark.parametrize("place", [0, 32, 150, 200, -30])
@pytest.mark.parametrize("cut", [False, True])
def test_damaged_file_is_refused(tmp_path: Path, place: int, cut: bool) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(10, dtype=np.float32))
    content = bytearray(path.read_bytes())
    if cut:
        content = content[:place]
    else:
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(SwathError, match="is damaged"):
        read_arrays(run_in(tmp_path), "x.npz")
