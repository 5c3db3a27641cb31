"""Digests of Python code, to notice that it has changed."""

import functools
import hashlib
import importlib.util
import inspect
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIGITS = 16
"""Hexadecimal digits of a SHA-256 that are kept."""


@functools.cache
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


def object_digest(source: object) -> str:
    """Digest of what a function, class or object computes, as far as Python can tell.

    It covers the compiled code as it was imported, default values, what a closure has captured, attributes of
    objects, base classes, and the functions, classes and plain values of the same module that the code names.
    Of other modules it covers the names only. It differs between versions of Python.

    Raises:
      TypeError: the object holds something of which nobody can say whether it has changed.
    """
    digest = hashlib.sha256()
    for part in _parts(source, set()):
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()[:DIGITS]


_SKIPPED = ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__firstlineno__")
"""Entries of a class that do not decide what it computes."""


def _parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    """A value as a sequence of bytes; a function, class or object that was met before is passed over."""
    # A module that is loaded when it is used has a type of its own until then; see `imports`.
    kind = types.ModuleType if isinstance(value, types.ModuleType) else type(value)
    yield kind.__qualname__.encode()
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | type(...)):
        yield repr(value).encode()
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from _parts(entry, seen)
    elif isinstance(value, set | frozenset):
        yield from sorted(b"".join(_parts(entry, seen)) for entry in value)
    elif isinstance(value, dict | types.MappingProxyType):
        for name, entry in sorted(value.items(), key=lambda item: repr(item[0])):
            yield repr(name).encode()
            yield from _parts(entry, seen)
    elif isinstance(value, types.ModuleType):
        yield value.__name__.encode()
    elif isinstance(value, Path):
        yield str(value).encode()
    elif hasattr(value, "dtype") and hasattr(value, "tobytes"):  # of NumPy
        yield f"{value.dtype} {value.shape}".encode()
        yield value.tobytes()
    elif id(value) not in seen:
        seen.add(id(value))
        yield from _code_parts(value, seen)


def _code_parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    if isinstance(value, types.CodeType):
        yield value.co_code
        yield from _parts((value.co_consts, value.co_names, value.co_varnames, value.co_freevars), seen)
    elif isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        yield from _parts((value.__code__, value.__defaults__, value.__kwdefaults__, cells), seen)
        yield from _parts(_named_by(value), seen)
    elif isinstance(value, types.MethodType):
        yield from _parts((value.__func__, value.__self__), seen)
    elif isinstance(value, functools.partial):
        yield from _parts((value.func, value.args, value.keywords), seen)
    elif isinstance(value, staticmethod | classmethod):
        yield from _parts(value.__func__, seen)
    elif isinstance(value, property):
        yield from _parts((value.fget, value.fset), seen)
    elif isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
        yield value.__name__.encode()
    elif isinstance(value, types.BuiltinFunctionType | types.WrapperDescriptorType):
        yield value.__qualname__.encode()
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__}".encode()
        if _is_of_the_user(value.__module__):
            own = {name: entry for name, entry in vars(value).items() if name not in _SKIPPED}
            yield from _parts((own, value.__bases__), seen)
    elif _is_of_the_user(type(value).__module__):
        slots = {
            name: getattr(value, name, None)
            for base in type(value).__mro__
            for name in _listed(vars(base).get("__slots__", ()))
        }
        yield from _parts((type(value), getattr(value, "__dict__", {}), slots), seen)
    else:
        raise TypeError(f"{type(value).__module__}.{type(value).__qualname__}")


def _listed(slots: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _named_by(function: types.FunctionType) -> dict[str, Any]:
    """What a function names of its own module; of other modules the qualified names."""
    found: dict[str, Any] = {}
    for name in _names(function.__code__):
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        module = None if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if module is None or module == function.__module__ or not isinstance(module, str):
            found[name] = value
        else:
            named = value if isinstance(value, type | types.FunctionType) else type(value)
            found[name] = f"{module}.{named.__qualname__}"
    return found


def _names(code: types.CodeType) -> set[str]:
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*(_names(each) for each in inner))


def _is_of_the_user(module: str) -> bool:
    """Whether a module is not one of Python or of an installed package, whose versions are recorded."""
    top = importlib.util.find_spec(module) if module != "__main__" and module else None
    origin = "" if top is None or top.origin is None else top.origin
    return not any(part in origin for part in ("site-packages", "dist-packages", "built-in", "frozen")) and (
        not origin.startswith(str(Path(inspect.__file__).parent))
    )
