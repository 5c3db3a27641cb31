"""Fields that packages and programs add to `model` and `data`: their list, and how a value is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from swath.config.fields import FieldSpec

ADDED: dict[str, dict[str, FieldSpec]] = {"model": {}, "data": {}}
"""For each node of the configuration the declarations that were added, by name without the prefix;
`config.additions` adds them. One that swath declares too is here if something added shares it."""

_on_change: list[Callable[[], None]] = []

OwnValues = tuple[tuple[str, Any], ...]
"""Values of added fields, by name without the prefix."""


def forget_when_fields_change(forget: Callable[[], None]) -> None:
    """Call a function whenever `ADDED` has changed, such as one that clears a cache."""
    _on_change.append(forget)


def fields_changed() -> None:
    """Tell all that depend on `ADDED` that it has changed."""
    for forget in _on_change:
        forget()


def added_fields(schema: type) -> dict[str, FieldSpec]:
    """The fields that packages and programs have added to a schema class."""
    group: str | None = getattr(schema, "group", None)
    return dict(ADDED[group]) if group else {}


def added_names() -> set[str]:
    """The dotted names of all added fields."""
    return {f"{group}.{name}" for group, fields in ADDED.items() for name in fields}


@dataclass(frozen=True, eq=False)
class OpenNode:
    """A node of the configuration to which packages may add fields.

    An added field is an attribute like the others, None where it does not exist. The class is the same
    whatever packages there are, so that another process can unpickle it.

    Attributes:
      group: name of the node.
    """

    group: ClassVar[str]

    own: InitVar[OwnValues] = dataclasses.field(default=(), kw_only=True)

    def __post_init__(self, own: OwnValues) -> None:
        object.__setattr__(self, "own", own)

    def __getattr__(self, name: str) -> Any:
        """The value of an added field."""
        if name in ADDED[self.group]:
            return dict(self.own_values).get(name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name}")

    @property
    def own_values(self) -> OwnValues:
        """The values of the added fields that have one."""
        values: OwnValues = self.__dict__.get("own", ())
        return values

    def _values(self) -> tuple[Any, ...]:
        # A field that an addition shares stays an attribute of its own.
        return (*(getattr(self, field.name) for field in dataclasses.fields(self)), self.own_values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenNode) and self.group == other.group and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())
