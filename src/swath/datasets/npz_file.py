"""One's own images in an .npz file: headers and labels first, the images when they are loaded."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

from swath.datasets.own import MOST_CLASSES, MOST_SIDE, OwnSpec, check_class_names, listed, shown
from swath.datasets.source import HOW_TO_GIVE, given_path, source_on_disk
from swath.datasets.split import SPLIT_RULE, split
from swath.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from swath.datasets.dataset import Bytes, Dataset
    from swath.datasets.source import Source

ARRAYS = ("images", "labels", "test_images", "test_labels", "class_names")
"""Names of the arrays; the first two are required."""

MOST_IMAGES = 2_000_000
"""Images of an array: their labels are read before anything else."""

_CONTENT = "images and labels, and perhaps test_images, test_labels and class_names"

_IMAGES = "uint8 [n, rows, columns] or [n, rows, columns, 1 or 3]"

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class NpzSpec(OwnSpec):
    """Images in an .npz file.

    Attributes:
      train: index into `images` of each training image, in their order.
      test: index of each test image: into `test_images`, or into `images` if there are none.
      has_test: whether the file has `test_images`.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    has_test: bool

    def read(self, source: Source) -> Dataset:
        """Read the images, and the labels again."""

        def arrays(members: _Members) -> tuple[Bytes, Bytes, Bytes, Bytes]:
            images, labels = _flat(members.array("images")), _labels(members, "labels")
            test_images = _flat(members.array("test_images")) if self.has_test else images
            test_labels = _labels(members, "test_labels") if self.has_test else labels
            train, test = list(self.train), list(self.test)
            return images[train], labels[train], test_images[test], test_labels[test]

        if _source(self.files.origin, self.files.place).identity != self.files.identity:
            raise DataError(f"{self.files.place} has changed since its headers were read; start again")
        found = _with_members(self.files.place, arrays)
        return self.dataset(*found, source=self.files.origin)


def _source(origin: str, path: Path) -> Source:
    """The file as it is now.

    Raises:
      DataError: it cannot be looked at.
    """
    try:
        return source_on_disk(origin, path, [path], (SPLIT_RULE,))
    except OSError as error:
        raise DataError(f"cannot read {path}, given as {origin}: {error.strerror}") from error


def find_npz(directory: str | None) -> NpzSpec:
    """Read the headers and labels of an .npz file; nothing in it is unpickled.

    Args:
      directory: value of `data.dir`; without it, $SWATH_DATA_DIR names the file.

    Raises:
      DataError: there is no such file, or it holds something else.
    """
    given = given_path(directory)
    if given is None:
        raise DataError(f"data=npz: no .npz file is named; {HOW_TO_GIVE}")
    path, origin = given
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises for some texts
        why = "it is a folder" if os.path.isdir(path) else "there is no such file"  # noqa: PTH112
        raise DataError(f"no images in {path}, given as {origin}: {why}; expected FILE.npz with {_CONTENT}")
    files = _source(origin, path)
    return _with_members(path, lambda members: _spec(members, files))


def _spec(members: _Members, files: Source) -> NpzSpec:
    names = members.names
    if missing := [name for name in ARRAYS[:2] if name not in names]:
        raise DataError(f"no array {missing[0]}: it has {listed(names) or 'none'}; expected {_CONTENT}")
    if unknown := [name for name in names if name not in ARRAYS]:
        raise DataError(f"unknown array {listed(unknown)}; expected {_CONTENT}")
    has_test = "test_images" in names
    if has_test != ("test_labels" in names):
        raise DataError("test_images and test_labels: expected both or none")
    shape = _image_shape(members, "images")
    labels, test_labels = _labels(members, "labels"), None
    if has_test:
        if (other := _image_shape(members, "test_images")) != shape:
            raise DataError(f"test_images are of shape {list(other)}, images of {list(shape)}")
        test_labels = _labels(members, "test_labels")
    highest = max(int(part.max()) for part in (labels, test_labels) if part is not None)
    class_names = _class_names(members, highest)
    every = labels.tolist()
    train, test = split(every, [b"%d" % row for row in range(len(every))], sets_test_apart=not has_test)
    if test_labels is not None:
        test = list(range(len(test_labels)))
    if not test:
        raise DataError("one image of each class; expected two or more of a class")
    return NpzSpec(
        name="npz",
        image_shape=shape,
        class_names=class_names,
        train_images=len(train),
        test_images=len(test),
        files=files,
        rule="test" if has_test else SPLIT_RULE,
        train=tuple(train),
        test=tuple(test),
        has_test=has_test,
    )


def _image_shape(members: _Members, name: str) -> tuple[int, int, int]:
    """Channels, rows and columns of the images of an array, from its header."""
    shape, dtype = members.header(name)
    if dtype.str != "|u1" or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise DataError(f"{name} is {dtype} {list(shape)}; expected {_IMAGES}")
    count, rows, columns = shape[:3]
    if not (1 <= count <= MOST_IMAGES and 1 <= rows <= MOST_SIDE and 1 <= columns <= MOST_SIDE):
        most = f"1 to {MOST_IMAGES:,} images of 1 to {MOST_SIDE} rows and columns"
        raise DataError(f"{name} is {dtype} {list(shape)}; expected {most}")
    return (shape[3] if len(shape) == 4 else 1), rows, columns


def _labels(members: _Members, name: str) -> Bytes:
    """Labels, one for each image: uint8 [n]."""
    import numpy as np

    shape, dtype = members.header(name)
    count = members.header(name.replace("labels", "images"))[0][0]
    if dtype.kind not in "ui" or shape != (count,):
        raise DataError(f"{name} is {dtype} {list(shape)}; expected whole numbers [{count}], one an image")
    labels = members.array(name)
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise DataError(f"{name} has {labels.min()} to {labels.max()}; expected 0 to {MOST_CLASSES - 1}")
    return labels.astype(np.uint8)


def _class_names(members: _Members, highest: int) -> tuple[str, ...]:
    """The class names, which are the labels if there are none."""
    names = tuple(map(str, range(highest + 1)))
    if "class_names" in members.names:
        shape, dtype = members.header("class_names")
        if dtype.kind != "U" or len(shape) != 1 or shape[0] > MOST_CLASSES or dtype.itemsize > 4_000:
            raise DataError(f"class_names is {dtype} {list(shape)}; expected texts [classes]")
        names = tuple(map(str, members.array("class_names").tolist()))
        if len(names) <= highest:
            raise DataError(f"class_names has {len(names)} names, but there is a label {highest}")
    check_class_names(names, "class_names" if "class_names" in members.names else "labels")
    return names


def _flat(images: Bytes) -> Bytes:
    """Images as uint8 [n, pixels]: all values of the first channel first."""
    if images.ndim == 4:
        images = images.transpose(0, 3, 1, 2)
    return images.reshape(len(images), -1)


def _with_members(path: Path, use: Callable[[_Members], _Found]) -> _Found:
    """Open the file for a function, and turn whatever a damaged file raises into one line."""
    try:
        with zipfile.ZipFile(path) as archive:
            return use(_Members(archive))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or 'it is damaged'}") from error
    except MemoryError as error:
        raise DataError(
            f"not enough memory to read {path}; close other programs, or use fewer images"
        ) from error
    except Exception as error:  # damaged archives raise exceptions of many classes
        reason = shown(" ".join(str(error).split())) or type(error).__name__
        raise DataError(f"{path} is no .npz file of arrays, or is damaged: {reason}") from error


class _Members:
    """The arrays of an open .npz file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = [name.removesuffix(".npy") for name in archive.namelist()]

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array, which reads its first bytes only.

        Raises:
          DataError: it is not a plain array, or its file has another size than its header says.
        """
        with self._archive.open(f"{name}.npy") as file:
            shape, _, dtype = self._header(name, file)
        return shape, dtype

    def array(self, name: str) -> NDArray[Any]:
        """An array of the size of its header; see `header`."""
        import numpy as np

        with self._archive.open(f"{name}.npy") as file:
            shape, is_fortran, dtype = self._header(name, file)
            size = math.prod(shape) * dtype.itemsize
            content = file.read(size + 1)
        if len(content) != size:
            raise DataError(f"{name} is damaged: it has not the {size:,} bytes of its header")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")

    def _header(self, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        from numpy.lib import format as npy

        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise DataError(f"{name} is of version {version} of the format; expected 1.0 or 2.0")
        shape, is_fortran, dtype = read(file)
        declared = self._archive.getinfo(f"{name}.npy").file_size
        if dtype.hasobject or min(shape, default=0) < 0:
            raise DataError(f"{name} is {dtype} {list(shape)}, which is no plain array")
        if declared != file.tell() + math.prod(shape) * dtype.itemsize:
            raise DataError(f"{name} has {declared:,} bytes, not those of {dtype} {list(shape)}")
        return shape, is_fortran, dtype
