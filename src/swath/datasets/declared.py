"""Data sets that packages and programs declare: what they give, and what is checked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.datasets.dataset import Dataset
from swath.datasets.own import MOST_CLASSES, MOST_SIDE, OwnSpec, check_class_names
from swath.datasets.source import Source, given_path, source_of
from swath.errors import DataError
from swath.system import as_float32, check_names, loaded, package_digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from swath.datasets.dataset import Bytes, DataKey

RULE = "declared-1"
"""Name of the way in which arrays become images, part of the digest."""

PARTS = ("train_images", "train_labels", "test_images", "test_labels")
"""What `Images.read` returns, in this order."""


@dataclass(frozen=True)
class Images:
    """What a declared data set tells before its images are read.

    Attributes:
      shape: rows, columns, channels of every image; channels are 1 or 3.
      class_names: name of each label, in the order of the labels; 2 to 256.
      train_images: number of training images.
      test_images: number of test images.
      read: () -> training images, training labels, test images, test labels: NumPy arrays, images uint8
        [n, rows, columns, channels], labels whole numbers [n] from 0. The same arrays at every call.
      files: the files that are read. With them, the arrays of a package's data set are kept in the cache
        until a file or the package's code changes; without them, they are read by every command.
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    train_images: int
    test_images: int
    read: Callable[[], tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]
    files: tuple[Path, ...] = ()


Find = Callable[[Mapping[str, Any], Path | None], Images]
"""(values of the data set's own fields by name, folder or file that the user named) -> images."""


@dataclass(frozen=True)
class OwnDataset:
    """The declaration of a data set: an entry point `swath.datasets` names it, or `swath.sweep(data=...)`.

    It is read by every command, so it loads neither TensorFlow nor the images.

    Attributes:
      name: chosen by `data=NAME`; lower-case letters, digits and `_`.
      find: looks at names and headers: a function, or `module:function`, which is imported when it is needed.
        It raises `OSError` or `ValueError` where the files are missing or are something else.
      fields: its fields by name, from `swath.config.data_field`; `classes` becomes `data.classes`.
      help: one sentence.

    Raises:
      ValueError: the name is not allowed.
    """

    name: str
    find: Find | str
    fields: Mapping[str, Any] = field(default_factory=dict)
    help: str = ""

    def __post_init__(self) -> None:
        check_names(self.name, *self.fields)

    def images(self, values: Mapping[str, Any], place: Path | None) -> Images:
        """Find the images with values of the fields."""
        found: Images = loaded(self.find)(values, place)
        return found


@dataclass(frozen=True)
class DeclaredSpec(OwnSpec):
    """A data set that was found by a declaration.

    Attributes:
      images: what it told.
      is_cached: whether a change of the content can be noticed, so that the arrays may be kept in the cache.
    """

    images: Images
    is_cached: bool

    def load(self, directory: str | None = None, *, rebuild: bool = False) -> Dataset:
        """Load the data set, from the cache if a change would be noticed."""
        return super().load(directory, rebuild=rebuild) if self.is_cached else self.read(self.files)

    def read(self, source: Source) -> Dataset:
        """Read the images, and check that they are those that were told."""
        arrays = _told(self.name, self.images.read)
        if not isinstance(arrays, tuple) or len(arrays) != len(PARTS):
            raise DataError(f"data set {self.name}: read returns no tuple of {', '.join(PARTS)}")
        train_images, train_labels, test_images, test_labels = arrays
        return self.dataset(
            self._checked("train_images", train_images, self.train_images),
            self._checked("train_labels", train_labels, self.train_images),
            self._checked("test_images", test_images, self.test_images),
            self._checked("test_labels", test_labels, self.test_images),
            source=self.files.origin,
        )

    def _checked(self, part: str, given: Any, count: int) -> Bytes:
        """An array as a data set holds it: uint8, images flattened, all values of the first channel first."""
        import numpy as np

        array: NDArray[np.generic] = np.asarray(given)
        is_images = part.endswith("images")
        shape = (count, *self.images.shape) if is_images else (count,)
        if array.shape != shape or array.dtype.kind not in "ui" or (is_images and array.dtype != np.uint8):
            wanted = f"{'uint8' if is_images else 'whole numbers'} {list(shape)}"
            raise DataError(
                f"data set {self.name}: {part} are {array.dtype} {list(array.shape)}, expected {wanted}"
            )
        if not is_images and (array.min() < 0 or array.max() >= self.num_classes):
            raise DataError(
                f"data set {self.name}: {part} go from {array.min()} to {array.max()}, "
                f"expected 0 to {self.num_classes - 1}"
            )
        flat = array.transpose(0, 3, 1, 2).reshape(count, -1) if is_images else array
        checked: Bytes = np.array(flat, np.uint8, order="C")
        return checked


def find_declared(
    own: OwnDataset, package: str, module: str, directory: str | None, key: DataKey
) -> DeclaredSpec:
    """Look for the images of a declared data set; reads names and headers only.

    Args:
      own: the declaration.
      package: name and version of its package; empty if a program declares it.
      module: the module that the package names.
      directory: value of `data.dir`; without it, $SWATH_DATA_DIR names the place.
      key: values of its fields.

    Raises:
      DataError: the images are not there, or are none that swath can train on.
    """
    given = given_path(directory)
    place, origin = given or (None, package or "the program")
    given_values = (*key.own, ("image_size", key.image_size))
    values = {
        name: as_float32(value) if isinstance(value, float) else value  # as in fingerprints
        for name, value in given_values
        if name in own.fields
    }
    images = _told(own.name, lambda: own.images(values, place))
    _check_told(own.name, images)
    rows, columns, channels = images.shape
    code = _code(module) if package else ""
    reading = (RULE, package, code, tuple(sorted(values.items())))
    files = _told(own.name, lambda: _source(origin, place, own.name, images.files, reading))
    return DeclaredSpec(
        name=own.name,
        image_shape=(channels, rows, columns),
        class_names=images.class_names,
        train_images=images.train_images,
        test_images=images.test_images,
        files=files,
        rule=RULE,
        images=images,
        # What a program computes may depend on anything in it.
        is_cached=bool(images.files and code),
    )


def _check_told(name: str, images: object) -> None:
    """Check what a declaration tells.

    Raises:
      DataError: it is something else than `Images` says.
    """
    where = f"data set {name}"
    if not isinstance(images, Images):
        raise DataError(f"{where}: find returns {type(images).__name__}, expected Images")
    shape, numbers = images.shape, (images.train_images, images.test_images)
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(type(each) is int for each in shape)):
        raise DataError(f"{where}: shape is {shape!r}, expected (rows, columns, channels)")
    rows, columns, channels = shape
    if not (1 <= rows <= MOST_SIDE and 1 <= columns <= MOST_SIDE and channels in (1, 3)):
        raise DataError(
            f"{where}: images of {rows} x {columns} x {channels}, expected 1 to {MOST_SIDE} rows and columns "
            f"and 1 or 3 channels"
        )
    classes = images.class_names
    if not (isinstance(classes, tuple) and all(isinstance(each, str) for each in classes)):
        raise DataError(f"{where}: class_names is {classes!r}, expected a tuple of 2 to {MOST_CLASSES} texts")
    check_class_names(classes, where)
    if not all(type(each) is int and each > 0 for each in numbers):
        raise DataError(
            f"{where}: {numbers[0]!r} training and {numbers[1]!r} test images, expected whole numbers above 0"
        )
    if not all(isinstance(file, Path) for file in images.files):
        raise DataError(f"{where}: files is {images.files!r}, expected paths (pathlib.Path)")


def _code(module: str) -> str:
    """Digest of the Python files of a package; empty if they cannot be read."""
    try:
        return package_digest(module)
    except (OSError, ImportError, ValueError):
        return ""


def _source(
    origin: str, place: Path | None, name: str, files: tuple[Path, ...], reading: tuple[object, ...]
) -> Source:
    states = [(str(file), status.st_size, status.st_mtime_ns) for file in files if (status := file.stat())]
    return source_of(origin, place or Path("/", name), states, reading)


def _told(name: str, call: Callable[[], Any]) -> Any:
    """The result of a function of the declaration; whatever it raises becomes one line."""
    try:
        return call()
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())
        reason = (
            text if isinstance(error, OSError | ValueError) and text else f"{type(error).__name__}: {text}"
        )
        raise DataError(f"data set {name}: {reason}") from error
