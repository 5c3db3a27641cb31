"""The names of a room, each imported when it is first used.

They are listed in the room's `__init__.pyi`, which type checkers read too. `lazy_loader` would parse that
file as a program, which takes a tenth of a second for all rooms.
"""

import re
from collections.abc import Callable
from typing import Any

import lazy_loader

_LINE = re.compile(r"from \.([\w.]*) import (\w+) as \2")


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The functions `__getattr__` and `__dir__` of a room, and its `__all__`.

    Args:
      package: its `__name__`.
      file: its `__file__`; beside it is the list: a line `from .MODULE import NAME as NAME` for each name,
        and `from . import MODULE as MODULE` for each module.

    Raises:
      ValueError: a line of the list is another one.
    """
    names: dict[str, list[str]] = {}
    modules: list[str] = []
    with open(f"{file}i", encoding="utf-8") as listed:  # noqa: PTH123  before anything else is imported
        for line in listed:
            found = _LINE.fullmatch(line.strip())
            if found is None:
                raise ValueError(f"{file}i: {line!r}: expected from .MODULE import NAME as NAME")
            of = names.setdefault(found[1], []) if found[1] else modules
            of.append(found[2])
    attached: tuple[Callable[[str], Any], Callable[[], list[str]], list[str]] = lazy_loader.attach(
        package, modules, names
    )
    return attached
