"""Memory and processors that this process may use, and how long it has been running."""

import contextlib
import math
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux mounts control groups."""


UNLIMITED = 1 << 60
"""Bytes above which a limit means none: version 1 of cgroups writes a number near 2**63."""


def available_bytes() -> int:
    """Bytes that this process can still allocate.

    The smallest of the free memory of the machine, the address-space limit of the process, and the limits of
    its cgroups, by which schedulers and containers limit it: the kernel kills a process that exceeds them.
    """
    found = [psutil.virtual_memory().available, *_cgroup_headroom()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        found.append(soft - psutil.Process().memory_info().vms)
    return int(max(0, min(found)))


def process_age_s() -> float:
    """Seconds since this process was started, which is before Python has imported anything."""
    age_s = time.time() - psutil.Process().create_time()
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux: psutil knows the time of the boot in whole seconds only
        age_s -= (time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) % 1
    return max(0.0, age_s)


def _cgroups(controller: str) -> Iterator[tuple[Path, bool]]:
    """Folders of this process's cgroups, from its own up to the root.

    Args:
      controller: "memory" or "cpu".

    Yields:
      folder, whether it is of version 2.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers == "":
                root = CGROUPS
            elif controller in controllers.split(","):
                root = CGROUPS / controller
            else:
                continue
            place = root / name.lstrip("/")
            for folder in (place, *place.parents):
                if not folder.is_relative_to(root):
                    break
                yield folder, controllers == ""


def _cgroup_headroom() -> list[int]:
    """Bytes left by each memory limit of this process's cgroups."""
    found = []
    for folder, is_version_2 in _cgroups("memory"):
        if is_version_2:
            left = _headroom(folder, "memory.max", "memory.current", "inactive_file")
        else:
            left = _headroom(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if left is not None:
            found.append(left)
    return found


def _headroom(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Bytes left by the limit of one cgroup; cached files that are not in use do not count as used."""
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
    """Number of lane groups to train at a time: one for each processor that this process may use.

    The smallest of the processors of the machine, the affinity of the process, the CPU quotas of its cgroups,
    rounded up, and $SWATH_CPUS, by which a launcher tells a task its share.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("SWATH_CPUS", "")
    shares = [int(told)] if told.isdecimal() else []
    return max(1, min([count, *shares, *(math.ceil(quota) for quota in _cpu_quotas())]))


def _cpu_quotas() -> list[float]:
    """Processors granted by each CPU quota of this process's cgroups."""
    found = []
    for folder, is_version_2 in _cgroups("cpu"):
        try:
            if is_version_2:
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            granted = int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):  # no such controller here, or "max"
            continue
        if granted > 0:  # version 1 writes -1 for no quota
            found.append(granted)
    return found
