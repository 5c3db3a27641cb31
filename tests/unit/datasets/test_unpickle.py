"""The restricted unpickler on malicious files."""

import builtins
import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
from typing import Any, Literal

import numpy as np
import pytest

from swath.datasets.pickled_batches import PickledArray, PickledDtype, RestrictedUnpickler, unpickle

ROWS = 100
MODULE = "swath.datasets.pickled_batches"


class Call:
    """Pickles to a function call."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "function", [os.system, builtins.eval, builtins.getattr, subprocess.Popen, builtins.__import__, open]
)
def test_a_call_of_a_function_that_no_array_needs_is_refused(function: Any, protocol: int) -> None:
    payload = pickle.dumps({b"data": Call(function, "touch hacked")}, protocol=protocol)

    with pytest.raises(ValueError, match=f"names .*{function.__name__}"):
        unpickle(payload, ROWS)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.f2py", "compile"),
        ("numpy.f2py.diagnose", "run_command"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy._core.multiarray", "frombuffer"),
        ("numpy", "ndarray.tofile"),
        ("_codecs", "decode"),
        ("_codecs", "lookup"),
        ("codecs", "encode"),
        ("copyreg", "_reconstructor"),
    ],
)
def test_names_similar_to_allowed_ones_are_refused(module: str, name: str) -> None:
    with pytest.raises(ValueError, match="no file of images needs"):
        unpickle(b"\x80\x02" + global_(module, name) + b".", ROWS)


def test_attributes_of_allowed_names_cannot_be_reached() -> None:
    payload = b"\x80\x04\x8c\x05numpy\x8c\x16ndarray.__subclasses__\x93."

    with pytest.raises(ValueError, match="no file of images needs"):
        unpickle(payload, ROWS)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    ],
)
def test_allowed_names_resolve_to_functions_of_the_unpickler(module: str, name: str) -> None:
    found = RestrictedUnpickler(io.BytesIO()).find_class(module, name)

    assert found.__module__ == MODULE


def test_the_type_of_arrays_is_an_object_that_cannot_be_called() -> None:
    assert type(RestrictedUnpickler(io.BytesIO()).find_class("numpy", "ndarray")) is object


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x02Pid\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",
        b"(ios\nsystem\n.",
        b"(" + global_("numpy", "ndarray") + b"o.",
        b"\x80\x02" + global_("numpy", "dtype") + b")\x81.",
        b"\x80\x04" + global_("numpy", "dtype") + b")}\x92.",
        b"\x80\x05\x97.",
    ],
    ids=["PERSID", "BINPERSID", "EXT1", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER"],
)
def test_opcodes_that_create_other_objects_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpickle(payload, ROWS)


@pytest.mark.parametrize(
    "put", [b"r" + struct.pack("<I", 0x7FFFFFF0), b"p2147483632\n"], ids=["LONG_BINPUT", "PUT"]
)
def test_memo_index_that_would_need_gigabytes_is_refused(put: bytes) -> None:
    with pytest.raises(ValueError, match="memo index"):
        unpickle(b"\x80\x02]" + put + b".", ROWS)


@pytest.mark.parametrize(
    "opcode", [b"\x8f", b"]", b"}", b"("], ids=["EMPTY_SET", "EMPTY_LIST", "EMPTY_DICT", "MARK"]
)
def test_a_million_opcodes_are_refused_in_a_file_of_few_rows(opcode: bytes) -> None:
    with pytest.raises(ValueError, match="more than 3,600 pickle opcodes"):
        unpickle(b"\x80\x04" + opcode * 1_000_000 + b".", ROWS)


def test_tuples_nested_a_million_deep_are_refused() -> None:
    with pytest.raises(ValueError, match="tuples"):
        unpickle(nested_key(1_000_000), ROWS)


def test_tuples_nested_as_deep_as_allowed_do_not_overflow_the_stack() -> None:
    code = f"from {MODULE} import unpickle; unpickle({nested_key(10_990)!r}, 10_000); print('alive')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stdout == "alive\n"


def nested_key(depth: int) -> bytes:
    """A dictionary whose key is a deeply nested tuple; hashing it recurses."""
    return b"\x80\x02})" + b"\x85" * depth + b"K\x01s."


@pytest.mark.parametrize(
    "state",
    [
        b"N}X\x08\x00\x00\x00__name__X\x01\x00\x00\x00xs\x86",
        b"N}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86",
        b"}X\x04\x00\x00\x00callK\x01s",
        b"N}X\x08\x00\x00\x00__code__K\x01s\x86",
        b"K\x01\x85",
    ],
)
@pytest.mark.parametrize("name", [("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct")])
def test_pickle_cannot_affect_the_reading_of_the_next_one(name: tuple[str, str], state: bytes) -> None:
    array = np.arange(6, dtype=np.uint8)

    with contextlib.suppress(ValueError):
        unpickle(b"\x80\x02" + global_(*name) + state + b"b.", ROWS)  # sets attributes of the named object

    stand_in = unpickle(pickle.dumps(array, protocol=2), ROWS)
    assert isinstance(stand_in, PickledArray) and np.array_equal(stand_in.array(), array)


@pytest.mark.parametrize("stand_in", [PickledDtype(), PickledArray()])
def test_stand_ins_have_no_attributes_to_set(stand_in: object) -> None:
    assert not hasattr(stand_in, "__dict__")


def test_an_array_of_objects_is_refused() -> None:
    stand_in = unpickle(pickle.dumps(np.array([[1, "two"]], dtype=object), protocol=4), ROWS)

    assert isinstance(stand_in, PickledArray)
    with pytest.raises(ValueError, match="not plain bytes"):
        stand_in.array()


@pytest.mark.parametrize("dtype", ["int8", "float32", "O", "S1", "bool", [("red", "u1")]])
def test_an_array_of_another_type_than_uint8_is_refused(dtype: Any) -> None:
    stand_in = unpickle(pickle.dumps(np.zeros((2, 2), dtype=dtype), protocol=4), ROWS)

    assert isinstance(stand_in, PickledArray)
    with pytest.raises(ValueError, match=r"uint8|plain bytes"):
        stand_in.array()


def test_an_array_without_state_is_refused() -> None:
    payload = b"\x80\x02" + global_("numpy.core.multiarray", "_reconstruct") + b")R."
    stand_in = unpickle(payload, ROWS)

    assert isinstance(stand_in, PickledArray)
    with pytest.raises(ValueError, match="not plain bytes"):
        stand_in.array()


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_uint8_array_pickled_by_numpy_is_read(protocol: int, order: Literal["C", "F"]) -> None:
    array = np.array([[0, 1, 2], [253, 254, 255]], dtype=np.uint8, order=order)

    stand_in = unpickle(pickle.dumps(array, protocol=protocol), ROWS)

    assert isinstance(stand_in, PickledArray)
    assert np.array_equal(stand_in.array(), array)


def test_byte_strings_of_python_2_are_read_as_bytes() -> None:
    assert unpickle(b"\x80\x02U\x03\x00\xe9\xff.", ROWS) == b"\x00\xe9\xff"


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        unpickle(b"", ROWS)
