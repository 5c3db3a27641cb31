"""Folders of images, one for each class: listed and split by names alone."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from swath.datasets.own import OwnSpec, check_class_names, listed
from swath.datasets.source import HOW_TO_GIVE, given_path, source_of
from swath.datasets.split import SPLIT_RULE, split
from swath.errors import DataError

if TYPE_CHECKING:
    from swath.datasets.dataset import Dataset
    from swath.datasets.source import Source

SUFFIXES = (".png", ".jpg", ".jpeg")
"""What the name of an image ends in, in small or capital letters."""

MOST_FILE_BYTES = 64_000_000
"""Size of the file of an image."""

READING_RULE = "rgb-bilinear-1"
"""Name of how an image becomes pixels, part of the digest: see `image_files`."""

_LITTER = ("thumbs.db", "desktop.ini")
"""Files that Windows puts into folders of images; ignored as hidden files are."""

_LAYOUT = "a folder of PNG or JPEG files for each class, or train/ and test/ with such"


@dataclass(frozen=True)
class ImageFolderSpec(OwnSpec):
    """Images in folders, one for each class.

    Attributes:
      train: path below the folder, and label, of each training image in their order.
      test: the same of each test image.
    """

    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]

    def read(self, source: Source) -> Dataset:
        """Decode and resize every image."""
        from swath.datasets.image_files import read_dataset

        return read_dataset(self)


class _Listed(NamedTuple):
    """An image that was found, and the state of its file: path below the folder, label, size and times."""

    path: str
    label: int
    state: tuple[int, int, int]


def find_images(directory: str | None, image_size: int | None) -> ImageFolderSpec:
    """List the images of a folder; no image is opened.

    Args:
      directory: value of `data.dir`; without it, $SWATH_DATA_DIR names the folder.
      image_size: rows and columns to which images are resized.

    Raises:
      DataError: there is no such folder, or it holds too little or something else.
    """
    given = given_path(directory)
    if given is None or image_size is None:
        raise DataError(f"data=images: no folder of images is named; {HOW_TO_GIVE}")
    folder, origin = given
    try:
        return _find(folder, origin, image_size)
    except (OSError, ValueError) as error:  # ValueError: a text that cannot be a path
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            reason = "it is not a folder" if folder.exists() else "there is no such folder"
        raise DataError(f"no images in {folder}, given as {origin}: {reason}; expected {_LAYOUT}") from error


def _find(folder: Path, origin: str, image_size: int) -> ImageFolderSpec:
    folders, files = _entries(folder)
    if loose := [name for name in files if name.lower().endswith(SUFFIXES)]:
        raise DataError(f"{listed(loose)} in {folder}: not in the folder of a class; expected {_LAYOUT}")
    is_split = {"train", "test"} <= {*folders}
    if is_split:
        if others := sorted({*folders} - {"train", "test"}):
            raise DataError(f"{listed(others)} in {folder}: expected nothing beside train/ and test/")
        folders, tested = _entries(folder / "train")[0], _entries(folder / "test")[0]
        if unknown := sorted({*tested} - {*folders}):
            raise DataError(f"{listed(unknown)} in {folder / 'test'}: train/ has no such class")
    # macOS and Linux may write the same letters in two ways.
    names = tuple(unicodedata.normalize("NFC", name) for name in folders)
    check_class_names(names, f"{folder / 'train' if is_split else folder}, given as {origin},")
    labels = {name: label for label, name in enumerate(folders)}
    train = _images(folder, "train/" if is_split else "", labels)
    test = _images(folder, "test/", {name: labels[name] for name in tested}) if is_split else []
    first, second = split(
        [image.label for image in train], [_name(image) for image in train], sets_test_apart=not is_split
    )
    train, test = [train[index] for index in first], test or [train[index] for index in second]
    if not test:
        raise DataError(f"{folder} has one image of each class; expected two or more of a class")
    states = [(image.path, *image.state) for image in (*train, *test)]
    return ImageFolderSpec(
        name="images",
        image_shape=(3, image_size, image_size),
        class_names=names,
        train_images=len(train),
        test_images=len(test),
        # Another version of Pillow may decode JPEG in another way.
        files=source_of(origin, folder, states, (image_size, READING_RULE, SPLIT_RULE, version("pillow"))),
        rule=f"{READING_RULE} {'test' if is_split else SPLIT_RULE}",
        train=tuple((image.path, image.label) for image in train),
        test=tuple((image.path, image.label) for image in test),
    )


def _name(image: _Listed) -> bytes:
    """The name by which an image is split: equal on all systems, and independent of the other classes."""
    return unicodedata.normalize("NFC", image.path).encode(errors="surrogateescape")


def _images(folder: Path, below: str, labels: Mapping[str, int]) -> list[_Listed]:
    """The images of each class, in the order of their names.

    Args:
      folder: the folder of the data set.
      below: what comes before the names of the classes in the paths below it.
      labels: of the classes that have a folder, by their names.

    Raises:
      DataError: a folder has no images, or something else.
    """
    found: list[_Listed] = []
    others: list[str] = []
    for name_of_class, label in labels.items():
        place, before = f"{below}{name_of_class}", len(found)
        folders, files = _entries(folder / place)
        others += [f"{place}/{name}/" for name in folders]
        for name in files:
            path = f"{place}/{name}"
            status = (folder / path).stat()
            if not name.lower().endswith(SUFFIXES) or not stat.S_ISREG(status.st_mode):
                others.append(path)
            elif not 0 < status.st_size <= MOST_FILE_BYTES:
                size, most = f"{status.st_size:,} bytes", f"{MOST_FILE_BYTES:,}"
                raise DataError(f"{listed([path])} in {folder} has {size}, expected 1 to {most}")
            else:
                state = status.st_size, status.st_mtime_ns, status.st_ctime_ns
                found.append(_Listed(path, label, state))
        if len(found) == before and not others:
            raise DataError(f"{listed([place])}/ in {folder} has no images")
    if others:
        raise DataError(f"{listed(others)} in {folder}: expected PNG and JPEG images only; {_LAYOUT}")
    return found


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders, and of what else is in a folder, each sorted; hidden entries are ignored."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    folders = sorted(entry.name for entry in visible if entry.is_dir())
    files = (entry.name for entry in visible if not entry.is_dir())
    return folders, sorted(name for name in files if name.lower() not in _LITTER)
