"""Unpickling for files from the internet: plain values, plus arrays of bytes.

No class or function that a pickle names is ever looked up. The few names that an array of bytes needs stand
for inert objects of this module, so that not even numpy's own unpickling code sees what a hostile file holds;
every other name is refused. The names are exact pairs: admitting a whole module has been broken elsewhere by
way of functions that the module happens to hold (numpy.f2py runs compilers).
"""

import io
import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from swath.data.dataset import Bytes
from swath.data.opcodes import check_opcodes


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
