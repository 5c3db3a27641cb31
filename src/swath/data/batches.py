"""What the files of the official CIFAR-10 layout say, checked."""

import numpy as np

from swath.config.datasets import PIXELS
from swath.data.dataset import Bytes
from swath.data.unpickle import PickledArray, unpickle
from swath.errors import DataError

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
