"""The batch files of a tar archive, read without unpacking it."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from swath.data.layout import BATCH_FILES, FOLDER_NAME, check_size
from swath.errors import DataError

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
