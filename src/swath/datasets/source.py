"""Where the files of a data set are, and how a change of them is noticed without reading them."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swath.errors import DataError

HOW_TO_GIVE = "give it as data.dir, as --data-dir of swath-reproduce, or as SWATH_DATA_DIR"
"""What to do about files that have not been named."""

ORIGINS = ("data.dir", "SWATH_DATA_DIR")
"""What can name the place of a data set, the first before the second."""


@dataclass(frozen=True)
class Source:
    """The files of a data set.

    Attributes:
      origin: name of the source in records, equal on all machines: "data.dir", "SWATH_DATA_DIR" or a URL.
      place: folder of the files, or the file that holds them all.
      key: identifies the place; each key has one cache entry.
      identity: identifies the content; a cache entry with another identity is out of date.
    """

    origin: str
    place: Path
    key: str
    identity: str


def source_on_disk(
    origin: str, place: Path, files: Sequence[Path], reading: tuple[object, ...] = ()
) -> Source:
    """The source made of files on this machine, identified by their names, sizes and modification times.

    Args:
      origin: see `Source`.
      place: see `Source`.
      files: all files that are read.
      reading: see `source_of`.

    Raises:
      OSError: a file cannot be looked at.
    """
    states = [(file.name, status.st_size, status.st_mtime_ns) for file in files if (status := file.stat())]
    return source_of(origin, place, states, reading)


def source_of(
    origin: str, place: Path, states: Sequence[tuple[object, ...]], reading: tuple[object, ...] = ()
) -> Source:
    """The source of which the state of each file is known.

    Args:
      origin: see `Source`.
      place: see `Source`.
      states: name, size and times of each file.
      reading: what else decides the arrays, such as the size of the images; each has its own cache entry.
    """
    resolved = place.resolve()
    where = f"{resolved}{reading or ''}"
    content = repr((str(resolved), states, *reading))
    return Source(
        origin=origin,
        place=resolved,
        key=hashlib.sha256(where.encode(errors="surrogateescape")).hexdigest()[:16],
        identity=hashlib.sha256(content.encode(errors="backslashreplace")).hexdigest(),
    )


def given_path(directory: str | None) -> tuple[Path, str] | None:
    """The place that the user named, with `~` expanded, and what named it; None if nothing did.

    Args:
      directory: value of `data.dir`; without it, $SWATH_DATA_DIR names the place.

    Raises:
      DataError: it begins with the home folder of an unknown user.
    """
    for origin, given in zip(ORIGINS, (directory, os.environ.get("SWATH_DATA_DIR")), strict=True):
        if given:
            try:
                return Path(given).expanduser(), origin
            except RuntimeError as error:
                raise DataError(f"cannot find the folder {given}, given as {origin}: {error}") from error
    return None
