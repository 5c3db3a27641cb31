"""A place that batches of images are read from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A place that batches of images are read from.

    Attributes:
      origin: how records name it, the same on every machine: "data.dir", "SWATH_DATA_DIR" or an address.
      place: a folder that holds the batch files, or a tar archive that does.
      key: tells places apart: one cache entry for each.
      identity: tells states of one place apart: another identity makes the cache entry out of date.
    """

    origin: str
    place: Path
    key: str
    identity: str


def source_on_disk(origin: str, place: Path, files: list[Path]) -> Source:
    """The source made of files on this machine, identified by their names, sizes and times of change.

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
