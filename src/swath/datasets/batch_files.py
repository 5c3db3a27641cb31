"""Batch files of images in their official layout: found, and read out of a folder or a tar archive."""

import gzip
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swath.datasets.source import Source, source_on_disk
from swath.errors import DataError


@dataclass(frozen=True)
class BatchLayout:
    """Names and sizes of the official files of a data set.

    Attributes:
      title: name of the data set in messages.
      archive: file name of the tar archive.
      url: address of the archive.
      sha256: of the archive, in hex.
      folder: folder of the batch files in the archive.
      batches: file name and number of images of each batch; training batches first.
      meta: file with the class names.
      names_key: key of the class names in that file.
      labels_key: key of the labels in a batch.
    """

    title: str
    archive: str
    url: str
    sha256: str
    folder: str
    batches: tuple[tuple[str, int], ...]
    meta: str
    names_key: str
    labels_key: str

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files."""
        return (self.meta, *(name for name, _ in self.batches))

    def size_limits(self, file_name: str, pixels: int) -> tuple[int, int]:
        """Smallest and largest plausible size of a file, in bytes.

        Args:
          file_name: one of `files`.
          pixels: values in one image.
        """
        if file_name == self.meta:
            return 100, 65_536
        rows = dict(self.batches)[file_name]
        # Official files add about 32 bytes of labels and names to each image. Copies that Python 3 wrote in
        # protocol 2 encode pixels as text and take up to twice the space.
        return rows * pixels, rows * (2 * pixels + 256)

    def check_size(self, file_name: str, size: int, pixels: int) -> None:
        """Check the size of a file before it is read.

        Raises:
          DataError: an official file cannot have this size.
        """
        least, most = self.size_limits(file_name, pixels)
        if not least <= size <= most:
            raise DataError(f"{file_name} has {size:,} bytes, expected {least:,} to {most:,}; {self.advice}")

    @property
    def advice(self) -> str:
        """What to do about a damaged file."""
        return f"get the file again from the official archive {self.archive}"


def find_source(layout: BatchLayout, directory: Path, origin: str) -> Source:
    """Find the batch files in a directory named by the user; looks at names, sizes and times only.

    Args:
      layout: of the data set.
      directory: the folder of the batch files, or its parent, or the folder of the archive.
      origin: what named the directory: "data.dir" or "SWATH_DATA_DIR".

    Raises:
      DataError: no place has all batch files.
    """
    archive = directory / layout.archive
    try:
        for folder in (directory / layout.folder, directory):
            files = [folder / file_name for file_name in layout.files]
            if all(file.is_file() for file in files):
                return source_on_disk(origin, folder, files)
        if archive.is_file():
            return source_on_disk(origin, archive, [archive])
    except OSError as error:
        raise DataError(f"cannot look into {directory}, given as {origin}: {error.strerror}") from error
    raise DataError(
        f"no {layout.title} in {directory}, given as {origin}: {_missing(layout, directory)}; expected "
        f"{layout.folder}/ with {', '.join(layout.files)}, or {layout.archive}; "
        f"set {origin} to the folder that holds one of them"
    )


def _missing(layout: BatchLayout, directory: Path) -> str:
    if not directory.exists():
        return "there is no such folder"
    if not directory.is_dir():
        return "it is not a folder"
    for folder in (directory / layout.folder, directory):
        missing = [file_name for file_name in layout.files if not (folder / file_name).is_file()]
        if len(missing) < len(layout.files):
            return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    return "none of its files are there"


def read_files(layout: BatchLayout, place: Path, pixels: int) -> Iterator[tuple[str, bytes]]:
    """Read all batch files of a folder or of a tar archive.

    Args:
      layout: of the data set.
      place: see `Source`.
      pixels: values in one image.

    Yields:
      file name (without its folder), content.

    Raises:
      DataError: a file cannot be read, or is not a regular file of a plausible size.
    """
    return (_read_folder if place.is_dir() else _read_archive)(layout, place, pixels)


def _read_folder(layout: BatchLayout, folder: Path, pixels: int) -> Iterator[tuple[str, bytes]]:
    for file_name in layout.files:
        try:
            status = (folder / file_name).stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{file_name} in {folder} is not a regular file")
            layout.check_size(file_name, status.st_size, pixels)
            content = (folder / file_name).read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {file_name} in {folder}: {error.strerror}") from error
        yield file_name, content


def _read_archive(layout: BatchLayout, path: Path, pixels: int) -> Iterator[tuple[str, bytes]]:
    wanted = {f"{layout.folder}/{file_name}": file_name for file_name in layout.files}
    most = 1_000_000 + sum(layout.size_limits(file_name, pixels)[1] for file_name in layout.files)
    try:
        with (
            gzip.open(path, "rb") as unpacked,
            # As a stream ("r|"), so that the archive is unpacked once, front to back.
            tarfile.open(fileobj=_BoundedReader(unpacked, most), mode="r|", bufsize=1 << 20) as archive,  # type: ignore[call-overload]
        ):
            for member in archive:
                if member.name not in wanted:
                    continue
                file_name = wanted.pop(member.name)
                if not member.isreg() or member.issparse():
                    raise DataError(f"{member.name} in {path} is not a regular file")
                layout.check_size(file_name, member.size, pixels)
                content = archive.extractfile(member)
                yield file_name, content.read() if content is not None else b""
                if not wanted:
                    return
    # Damaged archives raise many exceptions: EOFError and zlib.error of gzip, ValueError of odd tar headers.
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"cannot read the archive {path}: {reason}; get the file again") from error
    raise DataError(f"{', '.join(sorted(wanted))} not found in the archive {path}; get the file again")


class _BoundedReader:
    """Reads at most `most` bytes from a file: a small archive can unpack to any size."""

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self._file = file
        self._most = most
        self._left = most

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {self._most:,} bytes")
        return content
