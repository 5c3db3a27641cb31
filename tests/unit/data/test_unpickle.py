"""The restricted unpickler, against files that mean harm."""

import builtins
import io
import os
import pickle
import struct
import subprocess

import numpy as np
import pytest

from swath.datasets.pickled_batches import ADMITTED, PickledArray, PickledDtype, RestrictedUnpickler, unpickle


class Call:
    """Pickles to a call of any function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def global_(module, name):
    return f"c{module}\n{name}\n".encode()


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "function", [os.system, builtins.eval, builtins.getattr, subprocess.Popen, builtins.__import__, open]
)
def test_a_call_of_a_function_that_no_array_needs_is_refused(function, protocol):
    payload = pickle.dumps({b"data": Call(function, "touch hacked")}, protocol=protocol)

    with pytest.raises(ValueError, match=f"names .*{function.__name__}"):
        unpickle(payload)


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
def test_neighbours_of_admitted_names_are_refused(module, name):
    with pytest.raises(ValueError, match="no file of images needs"):
        unpickle(b"\x80\x02" + global_(module, name) + b".")


def test_a_dotted_name_does_not_reach_through_an_admitted_one():
    payload = b"\x80\x04\x8c\x05numpy\x8c\x16ndarray.__subclasses__\x93."

    with pytest.raises(ValueError, match="no file of images needs"):
        unpickle(payload)


def test_no_function_of_numpy_runs_while_an_array_is_unpickled():
    named = [ADMITTED[pair].call for pair in ADMITTED]

    assert {function.__module__ for function in named} == {"swath.datasets.pickled_batches"}


@pytest.mark.parametrize(
    ("payload", "opcode"),
    [
        (b"\x80\x02Pid\n.", "PERSID"),
        (b"\x80\x02K\x01Q.", "BINPERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"(inumpy\ndtype\n.", "INST"),
        (b"\x80\x02" + global_("numpy", "dtype") + b")\x81.", "NEWOBJ"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
    ],
)
def test_opcodes_that_no_array_needs_are_refused(payload, opcode):
    with pytest.raises(ValueError, match=f"opcode {opcode} "):
        unpickle(payload)


def test_a_reference_to_an_object_outside_is_refused_by_the_unpickler_itself():
    with pytest.raises(pickle.UnpicklingError, match="outside the file"):
        RestrictedUnpickler(io.BytesIO(b"\x80\x02K\x01Q.")).load()


def test_a_memo_index_that_would_take_gigabytes_is_refused():
    payload = b"\x80\x02]r" + struct.pack("<I", 0x7FFFFFF0) + b"."

    with pytest.raises(ValueError, match="memo index"):
        unpickle(payload)


def test_tuples_nested_a_million_deep_are_refused():
    payload = b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s."

    with pytest.raises(ValueError, match="tuples"):
        unpickle(payload)


def test_a_pickle_cannot_change_what_the_next_pickle_meets():
    name = global_("numpy", "dtype")
    for state in (b"N}X\x04\x00\x00\x00callK\x01s\x86", b"}X\x04\x00\x00\x00callK\x01s", b"K\x01\x85"):
        with pytest.raises(ValueError, match=r"."):
            unpickle(b"\x80\x02" + name + state + b"b.")  # dtype.call = 1, in the three ways of BUILD

    assert ADMITTED["numpy", "dtype"].call is PickledDtype


def test_an_array_of_objects_is_refused():
    payload = pickle.dumps(np.array([[1, "two"]], dtype=object), protocol=4)
    stand_in = unpickle(payload)

    with pytest.raises(ValueError, match="not plain bytes"):
        stand_in.array()


@pytest.mark.parametrize("dtype", ["int8", "float32", "O", "S1", "bool", [("red", "u1")]])
def test_an_array_of_another_type_than_uint8_is_refused(dtype):
    stand_in = unpickle(pickle.dumps(np.zeros((2, 2), dtype=dtype), protocol=4))

    with pytest.raises(ValueError, match=r"uint8|plain bytes"):
        stand_in.array()


def test_an_array_that_was_never_filled_is_refused():
    payload = b"\x80\x02" + global_("numpy.core.multiarray", "_reconstruct") + b")R."

    with pytest.raises(ValueError, match="not plain bytes"):
        unpickle(payload).array()


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_bytes_written_by_numpy_comes_back(protocol, order):
    array = np.array([[0, 1, 2], [253, 254, 255]], dtype=np.uint8, order=order)

    stand_in = unpickle(pickle.dumps(array, protocol=protocol))

    assert isinstance(stand_in, PickledArray)
    assert np.array_equal(stand_in.array(), array)


def test_byte_strings_of_python_2_come_back_as_bytes():
    assert unpickle(b"\x80\x02U\x03\x00\xe9\xff.") == b"\x00\xe9\xff"


def test_an_empty_file_is_refused():
    with pytest.raises(ValueError, match=r"."):
        unpickle(b"")
