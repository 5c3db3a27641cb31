"""Overrides checked one by one: unknown fields, values of the wrong type, values out of range."""

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Transformer
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.config.fields import FieldDoc, walk_schema
from swath.config.node import schema_node
from swath.config.schema import RunConfig
from swath.errors import ConfigError

FIELDS: dict[str, FieldDoc] = {name: doc for name, _, doc in walk_schema(RunConfig)}
GROUPS = ("data",)
_NODES = tuple({name.split(".")[0]: None for name in FIELDS if "." in name})


def parse_overrides(texts: list[str]) -> list[Override]:
    """Read overrides as Hydra does; where Hydra is ready, `data=glob(*)` finds its configs.

    Raises:
      ConfigError: some cannot be read; all of those are named.
    """
    hydra = GlobalHydra.instance()
    parser = OverridesParser.create(hydra.config_loader() if hydra.is_initialized() else None)
    parsed, mistakes = [], []
    for text in texts:
        try:
            parsed += parser.parse_overrides([text])
        except HydraException:
            mistakes.append(f"{text}: cannot be read; expected FIELD=VALUE, for example batch_size=100")
    if mistakes:
        raise ConfigError(mistakes)
    return parsed


def override_mistakes(override: Override, group_options: dict[str, list[str]]) -> Iterator[str]:
    """The lines that say what is wrong with one override, as far as it can be told by itself.

    Args:
      override: as Hydra parsed it.
      group_options: per config group the names of its configs.
    """
    key = override.key_or_group
    if override.is_hydra_override() or override.package is not None:
        return
    if override.is_delete():
        yield f"{override.input_line}: a field cannot be left out; every one has a default"
    elif key in _NODES and (key not in GROUPS or isinstance(override.value(), dict)):
        field = next(name for name in FIELDS if name.startswith(f"{key}."))
        yield f"{override.input_line}: set the fields of {key} one by one, for example {field}=..."
    elif key in GROUPS:
        yield from _group_mistakes(override, group_options[key])
    elif key not in FIELDS:
        yield f"{override.input_line}: there is no field {key or 'without a name'}{_suggestion(key)}"
    elif override.is_add():
        yield f"{override.input_line}: the field is there already; leave the + out"
    elif key in FIELDS and isinstance(override.value(), Glob):
        yield f"{override.input_line}: expected {FIELDS[key].expected}"
    elif key in FIELDS:
        if override.is_sweep_override() and is_of_the_whole_sweep(key):
            yield f"{override.input_line}: one value expected for the whole sweep"
            return
        for value in literal_values(override):
            yield from value_mistakes(key, value)


def is_of_the_whole_sweep(field: str) -> bool:
    """Whether a field says how a sweep as a whole is carried out, and so cannot differ within it."""
    return field.startswith(("tracking.", "fuse.")) or field in ("dry_run", "device")


def value_mistakes(key: str, value: object) -> Iterator[str]:
    """Why a value does not fit its field, if it does not."""
    doc = FIELDS[key]
    if isinstance(value, str) and "${" in value:
        return  # an interpolation; its value is checked where the config is composed
    try:
        typed = typed_value(key, value)
    except OmegaConfBaseException:
        yield f"{key}={value}: expected {doc.expected}"
        return
    if not doc.allows(typed):
        yield f"{key}={value}: expected {doc.expected}"


def typed_value(key: str, value: object) -> Any:
    """`value` as the field's type.

    Raises:
      omegaconf.errors.OmegaConfBaseException: it cannot be converted.
    """
    node = _scratch_node()
    OmegaConf.update(node, key, value)
    return OmegaConf.select(node, key)


@cache
def _scratch_node() -> DictConfig:
    """One node for all values: making one takes milliseconds, and a sweep may have thousands of values."""
    return schema_node()


def literal_values(override: Override) -> list[Any]:
    """The values an override stands for: one, or those of its sweep; none for a sweep over an interval."""
    if not override.is_sweep_override():
        return [override.value()]
    if not override.is_discrete_sweep():
        return []
    return [_unquoted(value) for value in override.sweep_iterator(transformer=Transformer.identity)]


def _unquoted(value: Any) -> Any:
    return value.text if hasattr(value, "text") else value


def _group_mistakes(override: Override, options: list[str]) -> Iterator[str]:
    values = literal_values(override)
    if not values:
        yield f"{override.input_line}: expected one of {', '.join(options)}"
    for value in values:
        if value not in options:
            yield (
                f"{override.key_or_group}={value}: expected one of {', '.join(options)}"
                f"{_suggestion(str(value), options)}"
            )


def _suggestion(name: str, known: list[str] | None = None) -> str:
    near = difflib.get_close_matches(name, known or [*FIELDS, *GROUPS], n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return "" if known else "; swath --help lists the fields"
