"""Digests of Python code, to notice that it has changed."""

import hashlib
import importlib.util
import inspect
from functools import cache
from pathlib import Path
from typing import Any

DIGITS = 16
"""Hexadecimal digits of a SHA-256 that are kept."""

PLAIN = (int, float, str, bool, tuple, type(None))
"""Types of attributes of an object that are part of its digest."""


@cache
def package_digest(module: str) -> str:
    """Digest of the Python files of the package that has a module; the package is not imported.

    Raises:
      ImportError: there is no such package.
      OSError: a file cannot be read.
    """
    top = importlib.util.find_spec(module.partition(".")[0])
    if top is None or top.origin is None:
        raise ImportError(module)
    folder = Path(top.origin).parent
    files = sorted(folder.rglob("*.py")) if top.submodule_search_locations else [Path(top.origin)]
    lines = [f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def object_digest(source: Any) -> str:
    """Digest of the source of a function, or of the class of an object with the object's plain attributes.

    Raises:
      OSError: there is no source.
      TypeError: it has no source in Python.
    """
    if inspect.isroutine(source):
        text = inspect.getsource(source)
    else:
        plain = {name: value for name, value in vars(source).items() if isinstance(value, PLAIN)}
        text = f"{inspect.getsource(type(source))}\n{sorted(plain.items())}"
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def module_of(declared: Any) -> str:
    """The module of a function, or of a `module:function` that names it."""
    return str(declared.partition(":")[0] if isinstance(declared, str) else declared.__module__)
