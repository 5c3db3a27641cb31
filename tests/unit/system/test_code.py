"""Digests of code: equal where the same is computed, and other where something that decides it differs."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from swath.system import object_digest

BASE = """
FACTOR = 2
def helper(x):
    return x * FACTOR
class Base:
    def scale(self):
        return 1
class Mine(Base):
    '''Documented.'''
    def __init__(self, start=(1.0,), units=3):
        self.start, self.units = list(start), units
    def losses(self, x):
        return helper(x) + self.scale()
def build(shape, units=3):
    return [helper(unit) for unit in range(units)]
def depth(count):
    def inner():
        return count
    return inner
class Slotted:
    __slots__ = ("units",)
    def __init__(self, units):
        self.units = units
"""


def world(*changes: tuple[str, str]) -> dict[str, Any]:
    """The names of the code above, with changes, as a program or a notebook defines them."""
    code = BASE
    for before, after in changes:
        assert before in code
        code = code.replace(before, after)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "<cell>", "exec"), names)
    return names


DIGESTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "object": lambda names: names["Mine"](),
    "function": lambda names: names["build"],
    "closure": lambda names: names["depth"](1),
    "partial": lambda names: functools.partial(names["build"], units=4),
    "method": lambda names: names["Mine"]().losses,
    "slots": lambda names: names["Slotted"](3),
}


@pytest.mark.parametrize("kind", DIGESTED)
def test_the_same_code_has_the_same_digest_without_a_file(kind: str) -> None:
    make = DIGESTED[kind]
    moved = world(("\nFACTOR", "\n\n# A comment.\nFACTOR"), ("Documented", "Described"))
    assert object_digest(make(world())) == object_digest(make(world())) == object_digest(make(moved))


CHANGED: dict[str, tuple[Any, Any]] = {
    "body": (world()["Mine"](), world(("helper(x) +", "helper(x) -"))["Mine"]()),
    "constant of a helper": (world()["Mine"](), world(("FACTOR = 2", "FACTOR = 3"))["Mine"]()),
    "helper": (world()["build"], world(("x * FACTOR", "x + FACTOR"))["build"]),
    "base class": (world()["Mine"](), world(("return 1", "return 2"))["Mine"]()),
    "list": (world()["Mine"]((1.0,)), world()["Mine"]((5.0,))),
    "array": (world()["Mine"](np.zeros(3)), world()["Mine"](np.ones(3))),
    "number": (world()["Mine"](units=3), world()["Mine"](units=4)),
    "default": (world()["build"], world(("shape, units=3", "shape, units=5"))["build"]),
    "closure": (world()["depth"](1), world()["depth"](3)),
    "argument of a partial": (functools.partial(world()["build"], 1), functools.partial(world()["build"], 2)),
    "function of a partial": (functools.partial(world()["build"]), functools.partial(world()["depth"])),
    "slot": (world()["Slotted"](3), world()["Slotted"](4)),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_change_of_what_is_computed_changes_the_digest(what: str) -> None:
    first, second = CHANGED[what]
    assert object_digest(first) != object_digest(second)


def test_what_cannot_be_compared_has_no_digest() -> None:
    with pytest.raises(TypeError, match="lock"):
        object_digest(world()["Mine"]([threading.Lock()]))


def test_a_cycle_ends() -> None:
    one = world()["Mine"]()
    one.itself = one
    assert object_digest(one) == object_digest(one)
