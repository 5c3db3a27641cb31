"""Where the files of a data set are, and how a change of them is noticed without reading them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swath.errors import DataError


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


def source_on_disk(origin: str, place: Path, files: Sequence[Path]) -> Source:
    """The source made of files on this machine, identified by their names, sizes and modification times.

    Args:
      origin: see `Source`.
      place: see `Source`.
      files: all files that are read.

    Raises:
      OSError: a file cannot be looked at.
    """
    resolved = place.resolve()
    states = [(file.name, status.st_size, status.st_mtime_ns) for file in files if (status := file.stat())]
    return Source(
        origin=origin,
        place=resolved,
        key=hashlib.sha256(str(resolved).encode(errors="surrogateescape")).hexdigest()[:16],
        identity=hashlib.sha256(repr((str(resolved), states)).encode(errors="backslashreplace")).hexdigest(),
    )


def path_of(given: str, origin: str) -> Path:
    """The path that a user named, with `~` expanded.

    Args:
      given: as typed.
      origin: what named it: "data.dir" or "SWATH_DATA_DIR".

    Raises:
      DataError: it begins with the home folder of an unknown user.
    """
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise DataError(f"cannot find the folder {given}, given as {origin}: {error}") from error
