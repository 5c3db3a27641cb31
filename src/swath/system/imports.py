"""Imports a library without parts of it that it can do without."""

import contextlib
import importlib
import sys
from collections.abc import Iterator


_lessened: set[str] = set()


@contextlib.contextmanager
def leaving_out(*names: str, lessened: tuple[str, ...] = ()) -> Iterator[None]:
    """Let the import of some modules fail for the time of the block, and work as ever afterwards.

    Args:
      *names: modules whose absence is expected by what imports them. Those that are loaded already stay.
      lessened: modules that have fewer names then; see `complete`.
    """
    left_out = [name for name in names if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # its import raises an ImportError
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
        _lessened.update(name for name in lessened if left_out and name in sys.modules)


def complete() -> None:
    """Give the modules that were `lessened` the names that they lack."""
    while _lessened:
        importlib.reload(sys.modules[_lessened.pop()])
