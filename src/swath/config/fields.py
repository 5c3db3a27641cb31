"""Fields of configurations: what a declaration says, and which ones a schema has."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import MISSING

from swath.config.added_fields import added_fields
from swath.config.constraints import Choice, Constraint
from swath.system import as_float32

Scope = Literal["identity", "sweep"]
"""`identity`: the value decides the numbers of a run. `sweep`: it decides how a command is carried out."""

Level = Literal["program", "group", "lane", "run"]
"""What shares one value of a field: all groups of a compiled program, all lanes of a group, all runs of a
lane, or nothing (each run has its own)."""

LEVELS: tuple[Level, ...] = ("program", "group", "lane", "run")

REQUIRED = object()
"""Marks a field that every store has; see `FieldSpec.when_absent`."""

_METADATA_KEY = "swath"


@dataclass(frozen=True)
class FieldSpec:
    """The declaration of a field.

    Attributes:
      constraint: the allowed values.
      help: one sentence.
      scope: `identity` or `sweep`.
      unit: of a number, in the plural; empty without one.
      shared_by: the widest unit of training that has one value of the field (identity fields).
      when_absent: the value of the field in stores that were written before it existed. The fingerprint
        leaves the field out where it has this value. `REQUIRED` for a field of the first version.
      shape: whether the value decides the shapes of tensors, and so the kernels that compute a step.
      repeats: whether runs that differ only in this field repeat one configuration.
      headline: whether the field names a configuration where nothing varies.
      only_with: (another field, its values with which this field exists); None if it always exists. Where
        it does not exist it is None, and no param of the run.
      not_with: (another field, its values with which this field does not exist), in the same way.
      null_means: the field whose value stands for None where this field exists; empty if None is not allowed.
      tuned: whether its best value is looked for among numbers, so that a better one may lie beyond a grid.
      axis_order: place of the field among those that compete for the horizontal axis of a plot.
      log_scale: whether values are compared by their ratio, so that MLflow's page gets their logarithm too.
      kind: type of a value that is not None.
      optional: whether None is allowed.
    """

    constraint: Constraint
    help: str
    scope: Scope
    unit: str = ""
    shared_by: Level = "run"
    when_absent: Any = REQUIRED
    shape: bool = False
    repeats: bool = False
    headline: bool = False
    only_with: tuple[str, tuple[str, ...]] | None = None
    not_with: tuple[str, tuple[str, ...]] | None = None
    null_means: str = ""
    tuned: bool = False
    axis_order: int = 1_000
    log_scale: bool = False
    kind: type = str
    optional: bool = False

    def allows(self, value: Any) -> bool:
        """Whether a value of the right type is allowed."""
        return self.optional if value is None else self.constraint.allows(value)

    @property
    def is_later(self) -> bool:
        """Whether a later version than the first added the field to those that decide a run's numbers."""
        return self.scope == "identity" and self.when_absent is not REQUIRED

    @property
    def expected(self) -> str:
        """The allowed values as a phrase for error messages and help."""
        return self.constraint.expected(self.kind, self.unit)

    def refusal(self, value: object) -> str:
        """What is said of a value that is not allowed: why it is not, if that is known, and what is."""
        why = self.constraint.refused.get(str(value)) if isinstance(self.constraint, Choice) else None
        return f"expected {self.expected}" if why is None else f"{why}; expected {self.expected}"

    def counts_for_identity(self, value: object) -> bool:
        """Whether `value` of this field is part of a configuration's fingerprint."""
        counted = as_float32(value) if isinstance(value, float) else value
        return self.scope == "identity" and counted != self.when_absent


def hyperparameter(constraint: Constraint, help: str, *, shared_by: Level, **details: Any) -> Any:  # noqa: A002
    """Declare a field that decides the numbers of a run. Its value stands in `conf/`.

    A field that was added later has its value in older stores as default, so that configs that were stored
    without it are composed as they were.

    Args:
      constraint: the allowed values.
      help: one sentence.
      shared_by: see `FieldSpec`.
      **details: further attributes of `FieldSpec`.
    """
    spec = FieldSpec(constraint, help, "identity", shared_by=shared_by, **details)
    default = MISSING if spec.when_absent is REQUIRED else spec.when_absent
    return dataclasses.field(default=default, metadata={_METADATA_KEY: spec})


def setting(constraint: Constraint, help: str, unit: str = "") -> Any:  # noqa: A002
    """Declare a field that decides how a command is carried out. Its value stands in `conf/`.

    Args:
      constraint: the allowed values.
      help: one sentence.
      unit: of a number, in the plural.
    """
    return dataclasses.field(
        default=MISSING, metadata={_METADATA_KEY: FieldSpec(constraint, help, "sweep", unit)}
    )


@cache
def declared(field: "dataclasses.Field[Any]") -> FieldSpec:
    """The declaration of a leaf."""
    kind, optional = _plain_type(field.type)
    spec: FieldSpec = field.metadata[_METADATA_KEY]
    return dataclasses.replace(spec, kind=kind, optional=optional or bool(spec.only_with or spec.not_with))


def walk_schema(schema: type) -> Iterator[tuple[str, FieldSpec]]:
    """Every leaf of a schema as (dotted name, declaration), in source order; then those of packages."""
    own = added_fields(schema)
    for field in dataclasses.fields(schema):
        if _METADATA_KEY in field.metadata:
            yield field.name, own.pop(field.name) if field.name in own else declared(field)
        else:
            assert isinstance(field.type, type), "nested schemas are written as classes"
            yield from ((f"{field.name}.{name}", spec) for name, spec in walk_schema(field.type))
    yield from own.items()


def _plain_type(annotation: Any) -> tuple[type, bool]:
    """(type, whether None is allowed) of an annotation; lists are declared as Any."""
    if annotation is Any:
        return list, False
    if get_origin(annotation) is Union:
        (kind,) = [entry for entry in get_args(annotation) if entry is not type(None)]
        return kind, True
    return annotation, False
