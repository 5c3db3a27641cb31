"""How much memory this process may still take: what is free, and what its limits leave."""

import contextlib
import resource
from pathlib import Path

import psutil

from swath.config.datasets import DATASETS, PIXELS
from swath.errors import SwathError

CGROUPS = Path("/sys/fs/cgroup")

PROGRAM_BYTES = 500_000_000
"""TensorFlow and its compiled programs, and MLflow in its process, beside any images."""

COPIES_OF_IMAGES = 3
"""As they are read, as TensorFlow holds them, and as the validation images are split off."""

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


def check_memory(names: list[str]) -> None:
    """Refuse to begin what cannot fit.

    Args:
      names: data sets that will be loaded.

    Raises:
      SwathError: there is less memory than the program and the images take.
    """
    images = sum(DATASETS[name].train_images + DATASETS[name].test_images for name in names)
    needed, free = PROGRAM_BYTES + COPIES_OF_IMAGES * images * PIXELS, available_bytes()
    if free < needed:
        raise SwathError(
            f"{free / 1e9:.2f} GB of memory are free or allowed here, and {' and '.join(names)} needs about "
            f"{needed / 1e9:.2f} GB; raise the limit (Slurm: --mem, Docker: --memory), or end other programs"
        )


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
