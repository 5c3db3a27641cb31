"""Services are started by one process at a time: they have fixed ports, and memory is that of one."""

import tempfile
from pathlib import Path

from filelock import FileLock


def taking_turns() -> FileLock:
    """Waits as a context manager until no other process of this machine has services."""
    return FileLock(Path(tempfile.gettempdir()) / "swath-test-services.lock")
