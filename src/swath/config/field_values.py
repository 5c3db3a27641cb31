"""Values of configurations by their fields' names, and what the declarations say of them."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, cast

from swath.config.added_fields import forget_when_fields_change
from swath.config.earlier_fields import removed_choice
from swath.config.fields import LEVELS, FieldSpec, Level, walk_schema
from swath.system import readable_number

_walked_schemas: dict[Any, tuple[tuple[str, FieldSpec], ...]] = {}

forget_when_fields_change(_walked_schemas.clear)


def _walked(schema: Any) -> tuple[tuple[str, FieldSpec], ...]:
    if schema not in _walked_schemas:
        _walked_schemas[schema] = tuple(walk_schema(schema))
    return _walked_schemas[schema]


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
        if value is None and spec.null_means and exists(spec, values):
            values[name] = values[spec.null_means]
    return values


def exists(spec: FieldSpec, values: Mapping[str, Any]) -> bool:
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
        if spec.scope != "identity" or not exists(spec, values):
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
    return " ".join(f"{field}={readable_number(values[field])}" for field in fields if field in values)


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
    if not exists(spec, values):
        other, words = spec.only_with or spec.not_with or ("", ())
        choice = other.removesuffix(".name")
        if value is not None and spec.not_with is not None:
            yield f"{name}={value}: {choice}={values[other]} has no such field"
        elif value is not None:
            having = " or ".join(f"{choice}={word}" for word in words)
            yield f"{name}={value}: only with {having}, found {choice}={values[other]}"
    elif not spec.allows(value) or (value is None and spec.only_with is not None and not spec.null_means):
        shown = "null" if value is None else value
        yield removed_choice(name, value) or f"{name}={shown}: {spec.refusal(value)}"
