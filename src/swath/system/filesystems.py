"""Whether files are on a disk of this machine."""

from functools import cache
from pathlib import Path

import psutil

LOCAL = frozenset(
    {"apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "overlay", "tmpfs", "xfs", "zfs"}
)
"""File systems that keep a file whose name is gone, or has become another file's, as long as it is open."""


def is_local(path: Path) -> bool:
    """Whether a file is on a file system that is known to be local; false where that cannot be told."""
    whole = path.resolve()
    mounts = [mount for mount in _mounts() if whole.is_relative_to(mount[0])]
    mounts.sort(key=lambda mount: len(mount[0].parts))  # of two at the same place, the later one counts
    return bool(mounts) and mounts[-1][1] in LOCAL


@cache
def _mounts() -> tuple[tuple[Path, str], ...]:
    try:
        return tuple((Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True))
    except OSError:
        return ()
