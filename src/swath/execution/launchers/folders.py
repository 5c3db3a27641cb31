"""Folders of what was launched, in the cache folder: logs of tasks, and what a supervisor keeps."""

import contextlib
import fcntl
import os
import platform
import re
import shutil
import time
from pathlib import Path

from swath.system import cache_folder

KEPT_S = 30 * 24 * 3600
"""Seconds for which a folder is kept after something new came into it."""


def launched_folder() -> Path:
    """Where the folders are."""
    return cache_folder() / "launched"


def this_host() -> str:
    """Name of this machine, as it stands in names of folders."""
    return re.sub(r"[^\w.-]", "_", platform.node())


def make_folder(name: str = "") -> Path:
    """Make a folder named after the machine, and remove those that are too old.

    Args:
      name: the rest of its name, which no other has; empty for process and time.

    Raises:
      OSError: it cannot be made.
    """
    rest = name or f"{os.getpid()}-{time.strftime('%Y%m%dT%H%M%S')}"
    folder = launched_folder() / f"{this_host()}-{rest}"
    folder.mkdir(parents=True, mode=0o700, exist_ok=not name)
    remove_old_folders()
    return folder


def remove_old_folders() -> None:
    """Remove folders into which nothing came for a month, unless a supervisor lives there."""
    for folder in launched_folder().glob("*-*-*"):
        with contextlib.suppress(OSError):  # removed by another process
            if time.time() - folder.stat().st_mtime > KEPT_S and not is_locked(folder):
                shutil.rmtree(folder)


def is_locked(folder: Path) -> bool:
    """Whether a supervisor lives in a folder: it holds its lock, which the kernel frees however it ends."""
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
