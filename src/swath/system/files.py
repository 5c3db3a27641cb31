"""Files that are written completely or not at all, and the user's cache folder."""

import contextlib
import hashlib
import os
import platform
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
"""Part of temporary names: the process ids of another machine that shares the folder mean nothing here."""


def cache_folder() -> Path:
    """$SWATH_CACHE_DIR, or the user's cache folder for swath."""
    return Path(os.environ.get("SWATH_CACHE_DIR") or platformdirs.user_cache_dir("swath"))


def atomic_write(
    path: Path,
    content: str | bytes | Callable[[Path], object],
    *,
    durable: bool = False,
    keep_existing: bool = False,
) -> None:
    """Write a file so that readers find the previous content or the complete new one, never a part.

    The content goes to a temporary file in the same folder, which is then renamed. Temporary files that
    killed processes of this machine left in the folder are removed.

    Args:
      path: of the file; its folder exists.
      content: text (written as UTF-8), bytes, or a function that writes to the path it is given.
      durable: flush the content to the disk before renaming, so that the file survives a power failure.
      keep_existing: leave a file that exists, or that another process creates meanwhile, as it is.

    Raises:
      OSError: the file cannot be written; the previous one is unchanged.
    """
    with temporary_beside(path) as part:
        if callable(content):
            content(part)
        else:
            part.write_bytes(content.encode() if isinstance(content, str) else content)
        if durable:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        if not keep_existing:
            part.replace(path)
        else:
            _rename_unless_exists(part, path)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A name for a temporary file in the folder of `path`, which is removed at the end.

    Temporary files that killed processes of this machine left in the folder are removed too.
    """
    remove_leftovers(path.parent)
    part = path.with_name(f"{path.name}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):  # would hide the error of writing
            part.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the files of `temporary_beside` that killed processes of this machine left in a folder."""
    for part in folder.glob(f"*.{_HOST}-*.part*"):
        import psutil  # takes longer to import than the rest, and is rarely needed

        pid = part.name.rpartition(f".{_HOST}-")[2].partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            with contextlib.suppress(OSError):  # of another user, or removed by another process
                part.unlink()


def _rename_unless_exists(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            part.replace(path)
