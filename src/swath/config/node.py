"""The schema as OmegaConf sees it: the typed node that Hydra merges values into."""

import dataclasses
from typing import Any

from omegaconf import DictConfig, OmegaConf

from swath.config.schema import RunConfig


def schema_node(schema: type = RunConfig) -> DictConfig:
    """A typed config node without values, for `schema` and every schema nested in it.

    OmegaConf makes the node of a frozen dataclass read-only, which would keep Hydra from filling it in;
    the objects that come out of it are frozen all the same.
    """
    node: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, False)
    for field in dataclasses.fields(schema):
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            node[field.name] = schema_node(field.type)
    return node


def to_run_config(values: dict[str, Any] | DictConfig) -> RunConfig:
    """The checked configuration that `values` describe.

    Args:
      values: nested, with exactly the schema's fields.

    Raises:
      ConfigError: a value is outside its range.
      omegaconf.errors.OmegaConfBaseException: a field is missing or unknown, or a value has another type.
    """
    merged = OmegaConf.merge(schema_node(), values)
    assert isinstance(merged, DictConfig)
    return from_composed(merged)


def from_composed(config: DictConfig) -> RunConfig:
    """The checked configuration in a config whose nodes already have the schema's types.

    Raises:
      ConfigError: a value is outside its range.
      omegaconf.errors.OmegaConfBaseException: a field is missing.
    """
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return from_plain({str(name): value for name, value in plain.items()})


def from_plain(values: dict[str, Any]) -> RunConfig:
    """The checked configuration of nested plain values of the schema's types.

    Raises:
      ConfigError: a value is outside its range.
    """
    nested = {
        field.name: field.type(**values[field.name])
        for field in dataclasses.fields(RunConfig)
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type)
    }
    return RunConfig(**{**values, **nested})
