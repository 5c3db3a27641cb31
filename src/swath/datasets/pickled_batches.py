"""Pickled batches of images, unpickled without executing anything they name, and checked."""

import io
import pickle
import pickletools
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.datasets.batch_files import BatchLayout, read_files
from swath.datasets.dataset import Dataset, DatasetSpec
from swath.datasets.source import Source
from swath.errors import DataError

if TYPE_CHECKING:
    from swath.datasets.dataset import Bytes


def read_dataset(spec: DatasetSpec, layout: BatchLayout, source: Source) -> Dataset:
    """Read and check every batch file of a source.

    Raises:
      DataError: a file does not match the layout of the data set.
    """
    images = np.empty((spec.train_images + spec.test_images, spec.pixels), dtype=np.uint8)
    labels = np.empty(spec.train_images + spec.test_images, dtype=np.uint8)
    rows, first = {}, 0
    for file_name, count in layout.batches:
        rows[file_name] = slice(first, first := first + count)
    for file_name, content in read_files(layout, source.place, spec.pixels):
        if file_name == layout.meta:
            check_class_names(spec, layout, content)
        else:
            images[rows[file_name]], labels[rows[file_name]] = parse_batch(spec, layout, file_name, content)
    images.flags.writeable = labels.flags.writeable = False
    train_images, test_images = np.split(images, [spec.train_images])
    train_labels, test_labels = np.split(labels, [spec.train_images])
    return spec.dataset(train_images, train_labels, test_images, test_labels, source.origin)


def parse_batch(
    spec: DatasetSpec, layout: BatchLayout, file_name: str, payload: bytes
) -> "tuple[Bytes, Bytes]":
    """Images and labels of one batch file.

    Args:
      spec: of the data set.
      layout: names and sizes of its files.
      file_name: a batch of the layout.
      payload: content of the file.

    Returns:
      uint8 [rows, pixels] images, uint8 [rows] labels.

    Raises:
      DataError: the file is not such a batch.
    """
    rows, advice = dict(layout.batches)[file_name], layout.advice
    batch = _dictionary(layout, file_name, payload, rows)
    pickled = _value(batch, "data")
    if not isinstance(pickled, PickledArray):
        raise DataError(f"{file_name} has no array of images under 'data'; {advice}")
    try:
        images = pickled.array()
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{file_name} holds {_one_line(error)} as images; {advice}") from error
    if images.shape != (rows, spec.pixels):
        expected = [rows, spec.pixels]
        raise DataError(
            f"{file_name} holds images of shape {list(images.shape)}, expected {expected}; {advice}"
        )
    labels = _value(batch, layout.labels_key)
    if not isinstance(labels, list) or len(labels) != rows:
        found = f"{len(labels):,}" if isinstance(labels, list) else "no"
        raise DataError(f"{file_name} holds {found} labels, expected {rows:,}; {advice}")
    for label in labels:
        if type(label) is not int or not 0 <= label < spec.num_classes:
            expected_labels = f"0..{spec.num_classes - 1}"
            raise DataError(
                f"{file_name} holds the label {_short(label)}, expected {expected_labels}; {advice}"
            )
    return np.ascontiguousarray(images), np.array(labels, dtype=np.uint8)


def check_class_names(spec: DatasetSpec, layout: BatchLayout, payload: bytes) -> None:
    """Check that the file of class names lists exactly the classes of the data set.

    Raises:
      DataError: the file is something else, or lists other classes.
    """
    file_name, key, advice = layout.meta, layout.names_key, layout.advice
    found = _value(_dictionary(layout, file_name, payload, spec.num_classes), key)
    if not isinstance(found, list):
        raise DataError(f"{file_name} has no list of class names under {key!r}; {advice}")
    if len(found) != spec.num_classes:
        raise DataError(f"{file_name} names {len(found)} classes, expected {spec.num_classes}; {advice}")
    for label, (name, expected) in enumerate(zip(found, spec.class_names, strict=True)):
        if name not in (expected, expected.encode()):
            raise DataError(
                f"{file_name} names class {label} {_short(name)}, expected {expected!r}; {advice}"
            )


class PickledDtype:
    """Stands for a numpy.dtype while unpickling: keeps its arguments and its state."""

    __slots__ = ("arguments", "state")

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def is_one_byte(self) -> bool:
        """Whether this is uint8: no fields, no sub-array, no objects."""
        match self.arguments, self.state:
            case (b"u1" | "u1" | b"|u1" | "|u1", *_), (int(), b"|" | "|", None, None, None, *_):
                return True
        return False


class PickledArray:
    """Stands for a numpy.ndarray while unpickling: keeps its state."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def array(self) -> "Bytes":
        """The array.

        Returns:
          uint8 of the shape declared in the pickle, read-only.

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


def _latin1(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("_codecs.encode is called with something else than latin1 text")
    return text.encode("latin1")


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that resolves the few names in files of images, and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an inert stand-in, a new one each time: a pickle can set attributes of what it names."""
        match module, name:
            case "numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct":
                return lambda *_: PickledArray()
            case "numpy", "ndarray":  # an argument of _reconstruct
                return object()
            case "numpy", "dtype":
                return lambda *arguments: PickledDtype(*arguments)
            case "_codecs", "encode":  # bytes in protocol 2, as Python 3 writes them
                return lambda text, encoding: _latin1(text, encoding)
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of images needs")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise pickle.UnpicklingError("it refers to an object outside the file")


def check_cost(payload: bytes, rows: int) -> None:
    """Refuse a pickle that takes far more memory or stack than its own size.

    One opcode can grow the memo to gigabytes, one byte makes a set of 216 bytes, and hashing tuples nested
    100,000 deep overflows the stack of the process.

    Args:
      payload: content of the file; nothing in it is built.
      rows: values that the file lists.

    Raises:
      ValueError: more opcodes, tuples or memo entries than a file of this many rows needs.
    """
    # A row is a label and a file name. Python 3 writes the latter as 8 opcodes in protocol 2, one a tuple.
    most_opcodes, most_tuples = 16 * rows + 2_000, rows + 1_000
    tuples = 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(payload)):
        tuples += "TUPLE" in opcode.name
        if count > most_opcodes or tuples > most_tuples:
            raise ValueError(f"more than {most_opcodes:,} pickle opcodes or {most_tuples:,} tuples")
        if opcode.name in ("PUT", "LONG_BINPUT") and (argument is None or argument > most_opcodes):
            raise ValueError(f"pickle memo index {argument} at byte {position} is out of range")


def unpickle(payload: bytes, rows: int) -> object:
    """Unpickle bytes, numbers, text, lists, tuples, dicts and sets, with a `PickledArray` for each array.

    Args:
      payload: content of the file; byte strings of Python 2 become bytes.
      rows: values that the file lists; see `check_cost`.

    Raises:
      ValueError: the payload is not a pickle, is incomplete, too costly, or names anything else.
    """
    try:
        check_cost(payload, rows)
        return RestrictedUnpickler(io.BytesIO(payload), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise an exception of any class
        raise ValueError(str(error) or type(error).__name__) from error


def _dictionary(layout: BatchLayout, file_name: str, payload: bytes, rows: int) -> dict[object, object]:
    try:
        content = unpickle(payload, rows)
    except ValueError as error:
        raise DataError(
            f"{file_name} is not a file of images: {_one_line(error)}; {layout.advice}"
        ) from error
    if not isinstance(content, dict):
        found = type(content).__name__
        raise DataError(f"{file_name} holds a {found}, expected a dictionary; {layout.advice}")
    return content


def _value(batch: dict[object, object], key: str) -> object:
    """The value of a key, which is bytes in official files and text in some copies."""
    return batch.get(key.encode(), batch.get(key))


def _one_line(error: Exception) -> str:
    """The text of an error without control characters: parts of it may come from the file."""
    text = " ".join(str(error).split())[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _short(value: object) -> str:
    """A value in an error message; what may be huge by its beginning or its type alone."""
    if isinstance(value, bytes | str):
        return repr(value[:40])[:40]
    if isinstance(value, int) and value.bit_length() <= 64:
        return repr(value)
    return f"of type {type(value).__name__}"
