"""Fields of configurations: one declaration per field, what is derived from it, and removed fields."""

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, cast, get_args, get_origin

from omegaconf import MISSING

from swath.config.constraints import Constraint, as_float32

Scope = Literal["identity", "sweep"]
"""`identity`: the value decides the numbers of a run. `sweep`: it decides how a command is carried out."""

Level = Literal["program", "group", "lane", "run"]
"""What shares one value of a field: all groups of a compiled program, all lanes of a group, all runs of a
lane, or nothing (each run has its own)."""

LEVELS: tuple[Level, ...] = ("program", "group", "lane", "run")

REQUIRED = object()
"""Marks a field that every store has; see `FieldSpec.when_absent`."""

_METADATA_KEY = "swath"

OWN_FIELDS: "dict[str, FieldSpec]" = {}
"""Fields of `model` that packages and programs have declared, without the prefix; `config.own_models` adds
them. One that swath declares too is here if another model shares it."""


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


def declared(field: "dataclasses.Field[Any]") -> FieldSpec:
    """The declaration of a leaf."""
    kind, optional = _plain_type(field.type)
    spec: FieldSpec = field.metadata[_METADATA_KEY]
    return dataclasses.replace(spec, kind=kind, optional=optional or bool(spec.only_with or spec.not_with))


def walk_schema(schema: type) -> Iterator[tuple[str, FieldSpec]]:
    """Every leaf of a schema as (dotted name, declaration), in source order; then those of packages."""
    own = own_fields(schema)
    for field in dataclasses.fields(schema):
        if _METADATA_KEY in field.metadata:
            yield field.name, own.pop(field.name) if field.name in own else declared(field)
        else:
            assert isinstance(field.type, type), "nested schemas are written as classes"
            yield from ((f"{field.name}.{name}", spec) for name, spec in walk_schema(field.type))
    yield from own.items()


def own_fields(schema: type) -> dict[str, FieldSpec]:
    """The fields that packages and programs have added to a schema class."""
    return dict(OWN_FIELDS) if getattr(schema, "has_own_fields", False) else {}


_walked_schemas: dict[Any, tuple[tuple[str, FieldSpec], ...]] = {}

_on_change: list[Callable[[], None]] = [_walked_schemas.clear]


def forget_when_fields_change(forget: Callable[[], None]) -> None:
    """Call a function whenever `OWN_FIELDS` has changed, such as one that clears a cache."""
    _on_change.append(forget)


def own_fields_changed() -> None:
    """Tell all that depend on `OWN_FIELDS` that it has changed."""
    for forget in _on_change:
        forget()


def _walked(schema: Any) -> tuple[tuple[str, FieldSpec], ...]:
    if schema not in _walked_schemas:
        _walked_schemas[schema] = tuple(walk_schema(schema))
    return _walked_schemas[schema]


def _plain_type(annotation: Any) -> tuple[type, bool]:
    """(type, whether None is allowed) of an annotation; lists are declared as Any."""
    if annotation is Any:
        return list, False
    if get_origin(annotation) is Union:
        (kind,) = [entry for entry in get_args(annotation) if entry is not type(None)]
        return kind, True
    return annotation, False


def walk_values(config: Any) -> Iterator[tuple[str, Any, FieldSpec]]:
    """Every leaf of a configuration as (dotted name, value, declaration), in source order."""
    for name, spec in _walked(cast(Hashable, type(config))):
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part)
        yield name, value, spec


def computed_values(config: object) -> dict[str, Any]:
    """The fields that decide a run's numbers, by dotted name: `{"batch_size": 100, "data.name": ...}`.

    Fields without a value are left out: a configuration that has no such field has no such param.
    """
    return {
        name: value
        for name, value, spec in walk_values(config)
        if spec.scope == "identity" and value is not None
    }


def effective_values(config: object) -> dict[str, Any]:
    """The fields that decide a run's numbers, with what None means in its place, by dotted name."""
    walked = [(name, value, spec) for name, value, spec in walk_values(config) if spec.scope == "identity"]
    values = {name: value for name, value, _ in walked}
    for name, value, spec in walked:
        if value is None and spec.null_means and _exists(spec, values):
            values[name] = values[spec.null_means]
    return values


def _exists(spec: FieldSpec, values: Mapping[str, Any]) -> bool:
    """Whether a configuration with these values has the field."""
    wanted, unwanted = spec.only_with, spec.not_with
    return (wanted is None or values[wanted[0]] in wanted[1]) and (
        unwanted is None or values[unwanted[0]] not in unwanted[1]
    )


def completed(schema: type, params: Mapping[str, str]) -> dict[str, str]:
    """Params of a run of any version: fields that were added later have their value in older stores."""
    return {
        name: params.get(name, str(spec.when_absent))
        for name, spec in _walked(cast(Hashable, schema))
        if name in params or (spec.is_later and spec.when_absent is not None)
    } | dict(params)


def complete_overrides(config: object) -> list[str]:
    """Overrides that give a configuration whatever the defaults are: `data=digits`, `batch_size=100`, ...

    They set every field that decides the numbers. Config groups come first, as in Hydra's own files.
    """
    groups, fields = [], []
    values = {name: value for name, value, _ in walk_values(config)}
    for name, value, spec in walk_values(config):
        group, _, field = name.rpartition(".")
        if spec.scope != "identity" or not _exists(spec, values):
            continue
        if field == "name":  # the file of a config group has the group's name for the choice
            groups.append(f"{group}={value}")
        else:
            fields.append(f"{name}={'null' if value is None else value}")
    return [*groups, *fields]


def shared_values(config: object, level: Level) -> tuple[tuple[str, Any], ...]:
    """The values that all runs at a level have in common, as a key.

    Two configurations belong to the same program, group or lane where these keys are equal.
    """
    levels = LEVELS[: LEVELS.index(level) + 1]
    values = effective_values(config)
    return tuple(
        (name, values.get(name, value))
        for name, value, spec in walk_values(config)
        if spec.shared_by in levels
    )


def shape_values(config: object) -> dict[str, Any]:
    """The fields that decide the shapes of a run's tensors, by dotted name."""
    return {name: value for name, value, spec in walk_values(config) if spec.shape}


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
    fields = dict.fromkeys(field for entry in values for field in entry)
    return tuple(field for field in fields if len({entry.get(field) for entry in values}) > 1)


def field_mistakes(config: object) -> list[str]:
    """A line for each value that its field does not allow, or that the configuration has no field for."""
    walked = list(walk_values(config))
    values = {name: value for name, value, _ in walked}
    return [line for name, value, spec in walked for line in _mistakes(name, value, spec, values)]


def _mistakes(name: str, value: Any, spec: FieldSpec, values: Mapping[str, Any]) -> Iterator[str]:
    if not _exists(spec, values):
        other, words = spec.only_with or spec.not_with or ("", ())
        choice = other.removesuffix(".name")
        if value is not None and spec.not_with is not None:
            yield f"{name}={value}: {choice}={values[other]} has no such field"
        elif value is not None:
            having = " or ".join(f"{choice}={word}" for word in words)
            yield f"{name}={value}: only with {having}, found {choice}={values[other]}"
    elif not spec.allows(value) or (value is None and spec.only_with is not None and not spec.null_means):
        shown = "null" if value is None else value
        yield removed_choice(name, value) or f"{name}={shown}: expected {spec.expected}"


def overridden(override: str) -> str:
    """The dotted name of the field that an override sets, whichever prefix it has: `+`, `++` or `~`."""
    return override.lstrip("+~").partition("=")[0].strip()


RENAMED_FIELDS = {
    "log_every_steps": "print_every_steps",
    "tracking.afterwards": "tracking.postprocess",
    "tracking.artifacts": "tracking.artifact_location",
    "tracking.models": "tracking.log_models",
    "fuse.max_lanes": "lanes.max",
    "fuse.check": "lanes.verify",
    "fuse": "lanes",
}
"""Fields of earlier versions, and their names in this one."""

REMOVED_FIELDS = {"device": "swath computes on the CPU"}
"""Fields of earlier versions that this one has not, and why."""

RENAMED_CHOICES = {
    "resume=anyway": ("resume=yes", "force_resume=true"),
    "hydra/launcher=fused": ("hydra/launcher=lanes",),
    "hydra/sweeper=fused": ("hydra/sweeper=lanes",),
}
"""Overrides of earlier versions whose value has another name in this one."""

_RENAMED_VALUES = {("tracking.afterwards", "none"): "off"}


def is_removed(name: str) -> bool:
    """Whether an earlier version had a field of this dotted name, and this one has not."""
    return name in RENAMED_FIELDS or name in REMOVED_FIELDS


def removed_key(name: str) -> str | None:
    """The line about a field that an earlier version had; None for any other name."""
    if name in RENAMED_FIELDS:
        return f"{name} is now {RENAMED_FIELDS[name]}"
    if name in REMOVED_FIELDS:
        return f"{name} has been removed; {REMOVED_FIELDS[name]}"
    return None


def removed_choice(name: str, value: object) -> str | None:
    """The line about a value that an earlier version had; None for any other value."""
    now = RENAMED_CHOICES.get(f"{name}={value}")
    return None if now is None else f"{name}={value} is now {' '.join(now)}"


def translated(override: str) -> list[str]:
    """An override of any version as overrides of this one; none for a field that is gone."""
    name = overridden(override)
    typed, equals, value = override.partition("=")
    prefix = typed[: len(typed) - len(typed.lstrip("+~"))]
    if override in RENAMED_CHOICES:
        return list(RENAMED_CHOICES[override])
    if name in REMOVED_FIELDS:
        return []
    value = _RENAMED_VALUES.get((name, value), value)
    return [f"{prefix}{RENAMED_FIELDS.get(name, name)}{equals}{value}"]
