"""IDX files of images and labels, packed with gzip or not, read with every byte accounted for."""

import gzip
import math
import stat
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swath.datasets.dataset import Dataset, DatasetSpec
from swath.datasets.idx_layout import IdxLayout
from swath.datasets.source import Source
from swath.errors import DataError

if TYPE_CHECKING:
    from swath.datasets.dataset import Bytes


def read_dataset(spec: DatasetSpec, layout: IdxLayout, source: Source) -> Dataset:
    """Read and check the four files of a source.

    Raises:
      DataError: a file does not match the data set.
    """
    _, rows, columns = spec.image_shape
    arrays: list[Bytes] = []
    counts = (spec.train_images, spec.train_images, spec.test_images, spec.test_images)
    for name, count, shape in zip(layout.files, counts, ((rows, columns), ()) * 2, strict=True):
        path = layout.file_in(source.place, name)
        if path is None:
            raise DataError(f"{name} is missing in {source.place}")
        values = read_idx(path, (count, *shape), f"get the file again from {layout.url}{name}")
        if not shape and values.max() >= spec.num_classes:
            raise DataError(f"{path.name} holds the label {values.max()}, expected 0..{spec.num_classes - 1}")
        arrays.append(values.reshape(count, -1) if shape else values)
    train_images, train_labels, test_images, test_labels = arrays
    return spec.dataset(train_images, train_labels, test_images, test_labels, source.origin)


def read_idx(path: Path, shape: tuple[int, ...], advice: str) -> "Bytes":
    """The array of an IDX file.

    Args:
      path: the file; packed if its name ends in .gz.
      shape: expected.
      advice: what to do about a damaged file.

    Returns:
      uint8 of that shape, read-only.

    Raises:
      DataError: the file cannot be read, or is not exactly such an array.
    """
    head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)  # 8 stands for uint8
    expected = len(head) + math.prod(shape)
    try:
        status = path.stat()
        # Bytes that cannot be compressed get a little longer.
        most = expected + expected // 1_000 + 4_096 if path.suffix == ".gz" else expected
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise DataError(f"{path.name} has {status.st_size:,} bytes, expected at most {most:,}; {advice}")
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(expected + 1)  # a small file can unpack to any size
    except (zlib.error, EOFError, OSError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}; {advice}") from error
    if len(content) != expected:
        more = "more" if len(content) > expected else f"{len(content):,}"
        raise DataError(f"{path.name} holds {more} bytes, expected {expected:,}; {advice}")
    if not content.startswith(head):
        raise DataError(
            f"{path.name} begins with {content[: len(head)].hex()}, expected {head.hex()}: "
            f"uint8 {list(shape)}; {advice}"
        )
    return np.frombuffer(content, np.uint8, offset=len(head)).reshape(shape)
