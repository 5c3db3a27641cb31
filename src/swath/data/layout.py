"""The files of the official CIFAR-10 layout: their names, their sizes, where a directory holds them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from swath.data.source import Source, source_on_disk
from swath.errors import DataError

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
