"""What a field of the configuration says about itself: its role, unit, range and first value."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import MISSING

Role = Literal["computed", "run"]
"""`computed`: the value decides the numbers of a run. `run`: it decides how the run is carried out."""


_METADATA_KEY = "swath"


_FROM_THE_START = object()


@dataclass(frozen=True)
class FieldDoc:
    """What stands beside a field in the schema.

    Attributes:
      role: whether the value decides the numbers or only how the run is carried out.
      doc: one sentence, without a full stop.
      expected: the values that are allowed, as an error message says them.
      allows: whether a value of the right type is allowed.
      added_with_default: for a field that a later version added: the value with which runs are what
        they were before; the fingerprint leaves the field out where it has this value.
    """

    role: Role
    doc: str
    expected: str
    allows: Callable[[Any], bool]
    added_with_default: Any = _FROM_THE_START

    def counts_for_identity(self, value: object) -> bool:
        """Whether `value` of this field is part of a configuration's fingerprint."""
        return self.role == "computed" and value != self.added_with_default

    @property
    def value_before(self) -> Any:
        """The value that the field has where it is not given; None for a field that was always there."""
        return None if self.added_with_default is _FROM_THE_START else self.added_with_default


def documented(
    role: Role,
    doc: str,
    expected: str,
    allows: Callable[[Any], bool],
    added_with_default: object = _FROM_THE_START,
) -> Any:
    """A dataclass field without a value (values stand in `conf/`) that carries a `FieldDoc`."""
    spec = FieldDoc(role, doc, expected, allows, added_with_default)
    return dataclasses.field(default=MISSING, metadata={_METADATA_KEY: spec})


def walk_schema(schema: type, prefix: str = "") -> Iterator[tuple[str, dataclasses.Field[Any], FieldDoc]]:
    """Every leaf of a schema as (dotted name, dataclass field, its `FieldDoc`), in source order."""
    for field in dataclasses.fields(schema):
        if _METADATA_KEY in field.metadata:
            yield prefix + field.name, field, field.metadata[_METADATA_KEY]
        else:
            assert isinstance(field.type, type), "nested schemas are written as classes"
            yield from walk_schema(field.type, f"{prefix}{field.name}.")


def walk_values(config: object) -> Iterator[tuple[str, Any, FieldDoc]]:
    """Every leaf of a configuration as (dotted name, value, its `FieldDoc`), in source order."""
    for name, _, doc in walk_schema(type(config)):
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part)
        yield name, value, doc


def computed_values(config: object) -> dict[str, Any]:
    """The fields that decide a run's numbers, by dotted name: `{"batch_size": 100, "data.name": ...}`."""
    return {name: value for name, value, doc in walk_values(config) if doc.role == "computed"}


def named_values(values: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Those of `fields` that have a value, with it: `learning_rate=1e-06 max_steps=500`."""
    return " ".join(f"{field}={values[field]}" for field in fields if field in values)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name, as a configuration nests them: `{"data": {"name": ...}}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *groups, leaf = name.split(".")
        node = found
        for group in groups:
            node = node.setdefault(group, {})
        node[leaf] = value
    return found


def varying(configs: Sequence[object]) -> tuple[str, ...]:
    """The fields that decide the numbers and are not the same in all of `configs`, by dotted name."""
    values = [computed_values(config) for config in configs]
    return tuple(field for field in values[0] if len({entry[field] for entry in values}) > 1)


def field_mistake(name: str, value: object, doc: FieldDoc) -> str | None:
    """The line that says why `value` is not allowed for the field, or None where it is."""
    return None if doc.allows(value) else f"{name}={value}: expected {doc.expected}"
