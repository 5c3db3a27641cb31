"""Batch files of CIFAR-10, unpickled without trusting them, and checked."""

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from swath.datasets.dataset import Bytes
from swath.datasets.registry import PIXELS
from swath.errors import DataError

ADMITTED_OPCODES = frozenset(
    [
        *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2"),
        *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
        *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MEMOIZE"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    ]
)
"""What pickles of bytes, numbers, lists, dicts and numpy arrays are made of, in protocols 2 to 4."""


MAX_MEMO_INDEX = 1_000_000
"""The official files memoize each of their 10,000 file names, and little else."""


MAX_TUPLES = 20_000


def check_opcodes(payload: bytes) -> None:
    """Scan a pickle without building anything.

    Args:
      payload: the bytes of the file.

    Raises:
      ValueError: it is no pickle, is cut short, or has an opcode that no file of images needs.
    """
    tuples = 0
    for opcode, argument, position in pickletools.genops(payload):
        if opcode.name not in ADMITTED_OPCODES:
            raise ValueError(f"pickle opcode {opcode.name} at byte {position:,} is not allowed")
        if opcode.name == "LONG_BINPUT" and (not isinstance(argument, int) or argument > MAX_MEMO_INDEX):
            raise ValueError(f"pickle memo index {argument} at byte {position:,} is out of range")
        if opcode.name.startswith("TUPLE"):
            tuples += 1
            if tuples > MAX_TUPLES:
                raise ValueError(f"more than {MAX_TUPLES:,} tuples in a pickle")


class PickledDtype:
    """Stands for numpy.dtype: remembers what it was called with, and its state."""

    __slots__ = ("description", "state")

    def __init__(self, description: object, *_: object) -> None:
        self.description = description
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def is_one_byte(self) -> bool:
        """Whether this is numpy's uint8: no fields, no sub-array, no objects."""
        match self.state:
            case (int(), b"|" | "|", None, None, None, *_):
                return self.description in (b"u1", "u1", b"|u1", "|u1")
        return False


class PickledArray:
    """Stands for numpy.ndarray: remembers the state, makes the array only when asked for it."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def array(self) -> Bytes:
        """The array.

        Returns:
          uint8 of the shape that the pickle declares, read-only.

        Raises:
          ValueError: the state is not that of an array of uint8.
        """
        match self.state:
            case (int(), tuple() as shape, PickledDtype() as dtype, fortran, bytes() as content):
                if not dtype.is_one_byte():
                    raise ValueError("an array of another type than uint8")
                if not all(type(length) is int and length >= 0 for length in shape):
                    raise ValueError("an array without a proper shape")
                return np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if fortran else "C")
        raise ValueError("an array that is not plain bytes")


class Admitted:
    """What an admitted name unpickles to: may be called, and cannot be changed by the pickle."""

    # Not a dataclass: a frozen one with slots gets a __setstate__, by which the opcode BUILD changes it.
    __slots__ = ("call",)
    call: Callable[..., object]

    def __init__(self, call: Callable[..., object]) -> None:
        object.__setattr__(self, "call", call)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a pickle may not set {name}")

    def __call__(self, *arguments: object) -> object:
        """What the opcode REDUCE does."""
        return self.call(*arguments)


def _refuse_call(*_: object) -> NoReturn:
    raise ValueError("numpy.ndarray is called directly")


def _reconstructed(*_: object) -> PickledArray:
    return PickledArray()


def _encoded(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("_codecs.encode is called with something else than latin1 text")
    return text.encode("latin1")


ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): Admitted(_reconstructed),
    ("numpy._core.multiarray", "_reconstruct"): Admitted(_reconstructed),  # as numpy 2 names it
    ("numpy", "ndarray"): Admitted(_refuse_call),
    ("numpy", "dtype"): Admitted(PickledDtype),
    ("_codecs", "encode"): Admitted(_encoded),  # how Python 3 writes bytes in protocol 2
}


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows the names in `ADMITTED`, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the inert object that an admitted name stands for; refuse every other name."""
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of images needs") from None

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise pickle.UnpicklingError("it refers to an object outside the file")


def unpickle(payload: bytes) -> object:
    """The value in a pickle; byte strings of Python 2 become bytes.

    Args:
      payload: the bytes of the file.

    Returns:
      None, numbers, text, bytes, lists, tuples and dicts of such, with a `PickledArray` for each array.

    Raises:
      ValueError: the bytes are no pickle, are cut short, or name anything that is not admitted.
    """
    try:
        check_opcodes(payload)
        return RestrictedUnpickler(io.BytesIO(payload), encoding="bytes").load()
    except Exception as error:  # a broken pickle can end in an exception of any class
        raise ValueError(str(error) or type(error).__name__) from error


ADVICE = "get the file again from the official archive cifar-10-python.tar.gz"


def parse_batch(payload: bytes, file_name: str, rows: int, class_count: int) -> tuple[Bytes, Bytes]:
    """The images and labels of one batch file.

    Args:
      payload: the bytes of the file.
      file_name: how errors name the file.
      rows: images that the file must hold.
      class_count: labels must lie in 0..class_count - 1.

    Returns:
      uint8 [rows, 3072] images, uint8 [rows] labels.

    Raises:
      DataError: the file is not such a batch.
    """
    batch = _dictionary(payload, file_name)
    pickled = _field(batch, "data")
    if not isinstance(pickled, PickledArray):
        raise DataError(f"{file_name} has no array of images under 'data'; {ADVICE}")
    try:
        images = pickled.array()
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{file_name} holds {_one_line(error)} as images; {ADVICE}") from error
    if images.shape != (rows, PIXELS):
        raise DataError(
            f"{file_name} holds images of shape {list(images.shape)}, expected {[rows, PIXELS]}; {ADVICE}"
        )
    return np.ascontiguousarray(images), _labels(batch, file_name, rows, class_count)


def check_class_names(payload: bytes, file_name: str, class_names: tuple[str, ...]) -> None:
    """Check that batches.meta names exactly the classes that the catalogue declares.

    Raises:
      DataError: the file is something else, or names other classes.
    """
    found = _field(_dictionary(payload, file_name), "label_names")
    if not isinstance(found, list):
        raise DataError(f"{file_name} has no list of class names under 'label_names'; {ADVICE}")
    if len(found) != len(class_names):
        raise DataError(f"{file_name} names {len(found)} classes, expected {len(class_names)}; {ADVICE}")
    for label, (name, expected) in enumerate(zip(found, class_names, strict=True)):
        if name not in (expected, expected.encode()):
            raise DataError(
                f"{file_name} names class {label} {_short(name)}, expected {expected!r}; {ADVICE}"
            )


def _labels(batch: dict[object, object], file_name: str, rows: int, class_count: int) -> Bytes:
    labels = _field(batch, "labels")
    if not isinstance(labels, list) or len(labels) != rows:
        found = f"{len(labels):,}" if isinstance(labels, list) else "no"
        raise DataError(f"{file_name} holds {found} labels, expected {rows:,}; {ADVICE}")
    for label in labels:
        if type(label) is not int or not 0 <= label < class_count:
            raise DataError(
                f"{file_name} holds the label {_short(label)}, expected 0..{class_count - 1}; {ADVICE}"
            )
    return np.array(labels, dtype=np.uint8)


def _dictionary(payload: bytes, file_name: str) -> dict[object, object]:
    try:
        content = unpickle(payload)
    except ValueError as error:
        raise DataError(f"{file_name} is not a file of images: {_one_line(error)}; {ADVICE}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file_name} holds a {type(content).__name__}, expected a dictionary; {ADVICE}")
    return content


def _field(batch: dict[object, object], key: str) -> object:
    """What a dictionary holds under a key, which is bytes as Python 2 wrote it, and text in some copies."""
    return batch.get(key.encode(), batch.get(key))


def _one_line(error: Exception) -> str:
    """The text of an error, fit for a terminal: part of it may come out of the file."""
    text = " ".join(str(error).split())[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _short(value: object) -> str:
    """A value as an error shows it; containers by their type alone, since a hostile one may be huge."""
    return repr(value)[:40] if isinstance(value, int | bytes | str) else f"of type {type(value).__name__}"
