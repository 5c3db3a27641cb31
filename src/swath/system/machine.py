"""What this machine and this process may use: memory and processors."""

import contextlib
import os
import resource
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")


UNLIMITED = 1 << 60
"""Limits above this are no limits: version 1 of cgroups writes a number near 2**63."""


def available_bytes() -> int:
    """Bytes that are free, by the machine's account and by the limits of this process and its cgroups.

    A scheduler or a container limits a cgroup; the kernel kills what takes more.
    """
    found = [psutil.virtual_memory().available, *_cgroup_headroom()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        found.append(soft - psutil.Process().memory_info().vms)
    return int(max(0, min(found)))


def _cgroup_headroom() -> list[int]:
    """What the memory limits of this process's cgroups leave, from its own up to the root."""
    found = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers == "":
                root, files = CGROUPS, ("memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                root = CGROUPS / "memory"
                files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            place = root / name.lstrip("/")
            for folder in (place, *place.parents):
                if not folder.is_relative_to(root):
                    break
                left = _headroom(folder, *files)
                if left is not None:
                    found.append(left)
    return found


def _headroom(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Bytes that one cgroup's limit leaves; files in memory that are not in use do not count as used."""
    try:
        allowed = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such controller here, or "max"
        return None
    if allowed >= UNLIMITED:
        return None
    return allowed - used + int(stat.get(reclaimable, "0"))


def workers() -> int:
    """How many groups are trained at a time: a group computes on one core, so one for each."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
