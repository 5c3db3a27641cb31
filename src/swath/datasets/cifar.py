"""CIFAR-10 in its official layout: a folder or a tar archive of batch files."""

import gzip
import hashlib
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swath.datasets.dataset import Dataset, digest_of
from swath.datasets.pickled_batches import check_class_names, parse_batch
from swath.datasets.registry import PIXELS, DatasetSpec
from swath.errors import DataError


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


ARCHIVE_NAME = "cifar-10-python.tar.gz"


FOLDER_NAME = "cifar-10-batches-py"


META_FILE = "batches.meta"


TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))


TEST_FILE = "test_batch"


BATCH_FILES = (META_FILE, *TRAIN_FILES, TEST_FILE)


BATCH_ROWS = 10_000


def check_size(file_name: str, size: int) -> None:
    """Check the size of a file before its first byte is read.

    Raises:
      DataError: the size cannot be that of an official file.
    """
    # A batch is 30,720,000 bytes of pixels; official files have about 315,000 more of labels and file names,
    # copies written anew by Python 3 in protocol 2 up to twice as many.
    least, most = (100, 65_536) if file_name == META_FILE else (30_720_000, 64_000_000)
    if not least <= size <= most:
        raise DataError(
            f"{file_name} has {size:,} bytes, expected {least:,} to {most:,}; "
            f"get the file again from the official archive {ARCHIVE_NAME}"
        )


def read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The batch files of a folder.

    Yields:
      file name, content.

    Raises:
      DataError: a file cannot be read, or is not a regular file of a plausible size.
    """
    for file_name in BATCH_FILES:
        try:
            status = (folder / file_name).stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{file_name} in {folder} is not a regular file")
            check_size(file_name, status.st_size)
            content = (folder / file_name).read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {file_name} in {folder}: {error.strerror}") from error
        yield file_name, content


def find_batches(directory: Path, origin: str) -> Source:
    """The source in a directory that was named by the user; looks at names and sizes only.

    Args:
      directory: holds cifar-10-batches-py/, or is it, or holds cifar-10-python.tar.gz.
      origin: what named the directory: "data.dir" or "SWATH_DATA_DIR".

    Raises:
      DataError: there is no complete set of batch files.
    """
    archive = directory / ARCHIVE_NAME
    folders = (directory / FOLDER_NAME, directory)
    try:
        for folder in folders:
            if all((folder / file_name).is_file() for file_name in BATCH_FILES):
                return source_on_disk(origin, folder, [folder / file_name for file_name in BATCH_FILES])
        if archive.is_file():
            return source_on_disk(origin, archive, [archive])
    except OSError as error:
        raise DataError(f"cannot look into {directory}, given as {origin}: {error.strerror}") from error
    raise DataError(
        f"no CIFAR-10 in {directory}, given as {origin}: {_found(directory)}; "
        f"expected {FOLDER_NAME}/ with {META_FILE}, {TRAIN_FILES[0]} to 5 and {TEST_FILE}, "
        f"or {ARCHIVE_NAME}; set {origin} to the folder that holds one of them"
    )


def _found(directory: Path) -> str:
    if not directory.exists():
        return "there is no such folder"
    if not directory.is_dir():
        return "it is not a folder"
    for folder in (directory / FOLDER_NAME, directory):
        missing = [file_name for file_name in BATCH_FILES if not (folder / file_name).is_file()]
        if len(missing) < len(BATCH_FILES):
            return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    return "none of its files are there"


MAX_BYTES = 450_000_000
"""More than twice what the official archive unpacks to; some archives unpack without end."""


class _BoundedReader:
    """Reads from a file, but never more than `MAX_BYTES` in all."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._left = MAX_BYTES

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {MAX_BYTES:,} bytes")
        return content


def read_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """The batch files of an archive in the official layout, in the order of the archive.

    Yields:
      file name (without its folder), content.

    Raises:
      DataError: it is no such archive, or one of its batch files is not a regular file of a plausible size.
    """
    wanted = {f"{FOLDER_NAME}/{file_name}": file_name for file_name in BATCH_FILES}
    try:
        with (
            gzip.open(path, "rb") as unpacked,
            # As a stream ("r|"), so that the archive is unpacked once, front to back.
            tarfile.open(fileobj=_BoundedReader(unpacked), mode="r|", bufsize=1 << 20) as archive,  # type: ignore[call-overload]
        ):
            for member in archive:
                if member.name not in wanted:
                    continue
                file_name = wanted.pop(member.name)
                if not member.isreg() or member.issparse():
                    raise DataError(f"{member.name} in {path} is not a regular file")
                check_size(file_name, member.size)
                content = archive.extractfile(member)
                yield file_name, content.read() if content is not None else b""
                if not wanted:
                    return
    # Broken archives end in many exceptions: EOFError and zlib.error of gzip, ValueError of odd tar headers.
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"cannot read the archive {path}: {reason}; get the file again") from error
    raise DataError(f"{', '.join(sorted(wanted))} not found in the archive {path}; get the file again")


def read_batches(spec: DatasetSpec, source: Source) -> Dataset:
    """Read and check every batch file of a source.

    Args:
      spec: what the data set declares; sizes are those of the official layout.
      source: a folder or an archive with all batch files.

    Raises:
      DataError: a file is not what the layout declares.
    """
    images = np.empty((spec.train_images + spec.test_images, PIXELS), dtype=np.uint8)
    labels = np.empty(spec.train_images + spec.test_images, dtype=np.uint8)
    first_row = {name: index * BATCH_ROWS for index, name in enumerate((*TRAIN_FILES, TEST_FILE))}
    files = read_folder(source.place) if source.place.is_dir() else read_archive(source.place)
    for file_name, content in files:
        if file_name == META_FILE:
            check_class_names(content, file_name, spec.class_names)
        else:
            rows = slice(first_row[file_name], first_row[file_name] + BATCH_ROWS)
            images[rows], labels[rows] = parse_batch(content, file_name, BATCH_ROWS, len(spec.class_names))
    images.flags.writeable = labels.flags.writeable = False
    train_images, test_images = np.split(images, [spec.train_images])
    train_labels, test_labels = np.split(labels, [spec.train_images])
    return Dataset(
        name=spec.name,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        class_names=spec.class_names,
        digest=digest_of(train_images, train_labels, test_images, test_labels),
        source=source.origin,
    )
