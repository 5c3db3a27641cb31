"""Which process makes a run, and whether it is still there."""

import socket
import time
from collections.abc import Mapping

import psutil

ROLES = ("swath.pid", "swath.tracker_pid")
"""Tags that name the process that trains and the one that stores; each has its start beside it."""

SAME_START_S = 2.0
"""Seconds by which a process's start may seem to have moved: it is worked out from the clock."""

HOST = "swath.host"


def process_tags(role: str) -> dict[str, str]:
    """This process, as tags; `role` is one of `ROLES`."""
    process = psutil.Process()
    return {role: str(process.pid), f"{role}_start": f"{process.create_time():.2f}"}


def is_elsewhere(tags: Mapping[str, str]) -> bool:
    """Whether a run was made on another machine, where nobody can look from here."""
    return tags.get(HOST) != socket.gethostname()


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether one of the processes that make a run is there; of another machine's, yes is the safe answer."""
    return is_elsewhere(tags) or any(_is_there(tags, role) for role in ROLES)


def wait_for_end(tags: Mapping[str, str], patience_s: float) -> bool:
    """Wait for a process that still stores what a dead one has handed to it; whether it has ended."""
    until = time.monotonic() + patience_s
    while _is_there(tags, ROLES[1]) and not _is_there(tags, ROLES[0]):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return not is_alive(tags)


def _is_there(tags: Mapping[str, str], role: str) -> bool:
    pid, start = tags.get(role, ""), tags.get(f"{role}_start", "")
    try:
        process = psutil.Process(int(pid))
        started, status = process.create_time(), process.status()
    except (ValueError, psutil.NoSuchProcess):
        return False
    except psutil.AccessDenied:
        return True
    if status == psutil.STATUS_ZOMBIE:
        return False
    try:
        return bool(abs(started - float(start)) < SAME_START_S)
    except ValueError:
        return True
