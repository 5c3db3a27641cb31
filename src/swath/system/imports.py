"""Imports a library without parts of it that it can do without."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def leaving_out(*names: str) -> Iterator[None]:
    """Let the import of some modules fail for the time of the block, and work as ever afterwards.

    Args:
      *names: modules whose absence is expected by what imports them. Those that are loaded already stay.
    """
    left_out = [name for name in names if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # its import raises an ImportError
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
