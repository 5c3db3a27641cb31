"""Identity of the code of a model that a package or a program brings, to notice that it has changed."""

import hashlib
import importlib.util
import inspect
from functools import cache
from pathlib import Path
from typing import Any

from swath.models.model import ModelSpec

DIGITS = 16
"""Hexadecimal digits of a SHA-256 that are kept."""

PLAIN = (int, float, str, bool, tuple, type(None))
"""Types of attributes of a model object that are part of its identity."""


def code_of(spec: ModelSpec) -> str:
    """`NAME:DIGEST` of a model: of the Python files of its package, or the source of its class or function.

    Empty for a model of swath, whose version says it; `NAME:unknown` where there is no source.
    """
    if spec.own is None:
        return ""
    try:
        digest = _of_package(_module(spec.own)) if spec.package else _of_object(spec.own.source)
    except (OSError, TypeError, ImportError, ValueError):
        return f"{spec.name}:unknown"
    return f"{spec.name}:{digest}"


def _module(own: Any) -> str:
    """The module that a package names, or that defines the function."""
    if isinstance(own.make, str):
        return str(own.make.partition(":")[0])
    return str(own.source.__module__)


@cache
def _of_package(module: str) -> str:
    """Digest of the files of the package that has a module; the package is not imported."""
    top = importlib.util.find_spec(module.partition(".")[0])
    if top is None or top.origin is None:
        raise ImportError(module)
    folder = Path(top.origin).parent
    files = sorted(folder.rglob("*.py")) if top.submodule_search_locations else [Path(top.origin)]
    lines = [f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def _of_object(source: Any) -> str:
    """Digest of a function, or of the class of an object with the object's plain attributes."""
    if inspect.isroutine(source):
        text = inspect.getsource(source)
    else:
        plain = {name: value for name, value in vars(source).items() if isinstance(value, PLAIN)}
        text = f"{inspect.getsource(type(source))}\n{sorted(plain.items())}"
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
