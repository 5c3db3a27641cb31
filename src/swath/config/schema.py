"""All fields of both kinds of configuration, and how one is built from values."""

import dataclasses
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

from omegaconf import MISSING, DictConfig, OmegaConf

from swath.config.added_fields import added_fields, forget_when_fields_change
from swath.config.additions import KINDS, install
from swath.config.fields import FieldSpec, declared, walk_schema
from swath.config.sweep_config import DataSourceConfig, SweepConfig
from swath.config.train_config import DataConfig, TrainConfig

SCHEMA_VERSION = "1"
"""Raised when the meaning of a field changes. A new field leaves it as it is."""

SCHEMA_NAME = "run_config"
"""Name under which Hydra finds the schema; `conf/base.yaml` extends it."""


@dataclass(frozen=True)
class _DataNode(DataSourceConfig, DataConfig):
    """The node `data` of a composed config."""


@dataclass(frozen=True)
class _ConfigNode(SweepConfig, TrainConfig):
    """A composed config: the fields of both kinds side by side."""

    data: _DataNode = MISSING


FIELDS: dict[str, FieldSpec] = {}
"""Every field by dotted name."""


def _list_fields() -> None:
    found = {**dict(walk_schema(TrainConfig)), **dict(walk_schema(SweepConfig))}
    FIELDS.clear()
    FIELDS.update(found)


_list_fields()
forget_when_fields_change(_list_fields)
for kind in KINDS:
    node = {name for name in FIELDS if name.startswith(f"{kind.group}.")}
    install(kind, {name.removeprefix(f"{kind.group}."): FIELDS[name] for name in node})

HEADLINE = tuple(name for name, spec in FIELDS.items() if spec.headline)
"""The fields that name a configuration where nothing varies."""

REPEATED_BY = tuple(name for name, spec in FIELDS.items() if spec.repeats)
"""The fields that repeat a configuration rather than change it."""


def with_meanings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Params or fields with what a field that has no value means: `init_seed` is `seed`, and so on."""
    meant = {
        name: values[other] for name, other in _meanings() if other in values and values.get(name) is None
    }
    return {**values, **meant}


@cache
def _meanings() -> tuple[tuple[str, str], ...]:
    """Each field that may have no value, and the field whose value it then means."""
    return tuple((name, spec.null_means) for name, spec in FIELDS.items() if spec.null_means)


forget_when_fields_change(_meanings.cache_clear)


def schema_node(schema: type = _ConfigNode) -> DictConfig:
    """A typed config node without values, for `schema` and every schema nested in it.

    OmegaConf makes the node of a frozen dataclass read-only, which would keep Hydra from filling it in.

    Args:
      schema: a dataclass.
    """
    node: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, False)
    for field in dataclasses.fields(schema):
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            node[field.name] = schema_node(_with_added_fields(field.type))
    return node


def _with_added_fields(schema: type) -> type:
    """A class with the fields that packages have added, for OmegaConf."""
    names = {field.name for field in dataclasses.fields(schema)}
    added = [
        (name, Any if spec.kind is list else spec.kind | None, dataclasses.field(default=None))
        for name, spec in added_fields(schema).items()
        if name not in names
    ]
    return (
        dataclasses.make_dataclass(schema.__name__, added, bases=(schema,), frozen=True) if added else schema
    )


_Config = TypeVar("_Config")


def build(schema: type[_Config], values: Mapping[str, Any], prefix: str = "") -> _Config:
    """The configuration of a schema that values describe.

    Args:
      schema: TrainConfig, SweepConfig, or a part of one.
      values: by dotted name, of the declared types; names outside the schema are ignored.
      prefix: of the schema's names in `values`.

    Raises:
      ConfigError: a value is out of range.
    """
    found: dict[str, Any] = {}
    for name, part, constraint in _parts(cast(Hashable, schema)):
        if part is not None:
            found[name] = build(part, values, f"{prefix}{name}.")
        else:
            found[name] = constraint.canonical(values[prefix + name])
    added = {name: spec for name, spec in added_fields(schema).items() if name not in found}
    if added:
        given = ((name, spec.constraint, values.get(prefix + name)) for name, spec in added.items())
        found["own"] = tuple(
            (name, limit.canonical(value)) for name, limit, value in given if value is not None
        )
    return schema(**found)


@cache
def _parts(schema: Any) -> tuple[tuple[str, Any, Any], ...]:
    """Name, nested schema and constraint of each field of a schema; one of the last two is None."""
    nested = {
        field.name: isinstance(field.type, type) and dataclasses.is_dataclass(field.type)
        for field in dataclasses.fields(schema)
    }
    return tuple(
        (field.name, field.type, None)
        if nested[field.name]
        else (field.name, None, declared(field).constraint)
        for field in dataclasses.fields(schema)
    )


def rebuilt(config: _Config, values: Mapping[str, Any], changed: Collection[str]) -> _Config:
    """The same as `build` with these values, made of a configuration that has most of them.

    Parts without a change are shared: a hundred thousand configurations of a sweep differ in few fields.

    Args:
      config: a configuration that was built.
      values: see `build`.
      changed: dotted names of the schema's fields whose values differ from those of `config`.

    Raises:
      ConfigError: a value is out of range.
    """
    if not changed:
        return config
    top = {name.partition(".")[0] for name in changed}
    found = {
        name: constraint.canonical(values[name]) if part is None else build(part, values, f"{name}.")
        for name, part, constraint in _parts(cast(Hashable, type(config)))
        if name in top
    }
    return dataclasses.replace(config, **found)  # type: ignore[type-var]
