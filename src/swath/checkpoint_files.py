"""Checkpoints on the local disk: the last two of each lane group, each whole or not there."""

import contextlib
import os
import shutil
import time
from pathlib import Path

from swath.data.cache import cache_folder

SUFFIX = ".checkpoint"
KEPT_DAYS = 30

KEPT = 2
"""Should the last one be damaged, the one before it is used."""


def checkpoints_folder() -> Path:
    """Where they are kept, a folder per sweep id."""
    return cache_folder() / "checkpoints"


class CheckpointFiles:
    """Writes what it is handed. Its calls come behind those that store the steps a checkpoint stands for."""

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> None:
        """Write a checkpoint of a group, and remove all but the last two of it.

        Raises:
          OSError: it cannot be written; those before it stay.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        part = place / f"{group}.part"
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # whole even where the machine itself goes down
            part.replace(place / f"{group}-{step:012d}{SUFFIX}")
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        for old in sorted(place.glob(f"{group}-*{SUFFIX}"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def drop_checkpoint(self, folder: str, group: str) -> None:
        """Remove those of a group."""
        for path in Path(folder).glob(f"{group}-*{SUFFIX}"):
            path.unlink(missing_ok=True)

    def drop_checkpoints(self, folder: str) -> None:
        """Remove all of a sweep's, and those of sweeps that nobody has taken up for `KEPT_DAYS`."""
        shutil.rmtree(folder, ignore_errors=True)
        oldest = time.time() - 86_400 * KEPT_DAYS
        for other in Path(folder).parent.glob("*/"):
            with contextlib.suppress(OSError):
                if other.stat().st_mtime < oldest:
                    shutil.rmtree(other, ignore_errors=True)
