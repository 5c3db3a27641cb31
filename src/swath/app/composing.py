"""Configs composed with Hydra and brought to the schema's types, without running or writing anything."""

from typing import Any

from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.app.mistakes import FIELDS
from swath.config.fields import nested
from swath.config.node import from_plain, schema_node
from swath.config.schema import RunConfig
from swath.errors import ConfigError


def compose_config(config_name: str, lines: list[str]) -> DictConfig:
    """The config that Hydra makes of a primary config and overrides, with the part that is Hydra's own.

    Raises:
      ConfigError: Hydra refuses it.
    """
    try:
        return compose(config_name, lines, return_hydra_config=True)
    except HydraException as error:
        raise ConfigError([one_line(error)]) from error


class hydra_ready:  # noqa: N801  used like a function
    """Hydra initialised for composing, and left as it was found."""

    def __enter__(self) -> None:
        self._context = initialize(version_base="1.3", config_path=None, job_name="swath")
        self._context.__enter__()

    def __exit__(self, *_: object) -> None:
        GlobalHydra.instance().clear()


def config_of(composed: DictConfig) -> RunConfig:
    """The checked configuration in a composed config.

    Raises:
      ConfigError: values are missing, have another type, or are out of range.
    """
    return build_config(flat_values(composed))


def flat_values(composed: DictConfig) -> dict[str, Any]:
    """The values of a composed config by dotted name, converted to the schema's types.

    Raises:
      ConfigError: a value is missing, or has another type.
    """
    task = [str(key) for key in composed if key != "hydra"]
    mistakes, values = [], {}
    try:
        resolved = OmegaConf.to_container(OmegaConf.masked_copy(composed, task), resolve=True)
        node = OmegaConf.merge(schema_node(), resolved)
    except OmegaConfBaseException as error:
        raise ConfigError([one_line(error)]) from error
    for name, doc in FIELDS.items():
        if OmegaConf.is_missing(*_parent(node, name)):
            mistakes.append(f"{name}: no value; expected {doc.expected}")
        else:
            values[name] = OmegaConf.select(node, name)
    if mistakes:
        raise ConfigError(mistakes)
    return values


def _parent(node: Any, name: str) -> tuple[Any, str]:
    *groups, leaf = name.split(".")
    for group in groups:
        node = node[group]
    return node, leaf


def build_config(values: dict[str, Any]) -> RunConfig:
    """The configuration of values by dotted name, of the schema's types.

    Raises:
      ConfigError: values are out of range.
    """
    return from_plain(nested(values))


def one_line(error: Exception) -> str:
    """An error of Hydra's or OmegaConf's as one line, with what caused it."""
    causes = [str(part) for part in (error, error.__cause__) if part is not None]
    lines = [line.strip() for line in "\n".join(causes).splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("reference_type", "object_type")))
