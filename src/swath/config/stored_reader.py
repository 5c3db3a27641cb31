"""A stored configuration read back, as data from a stranger: nothing in it is resolved, imported or run."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from swath.config.fields import nested, walk_schema
from swath.config.folders import config_folder
from swath.config.node import to_run_config
from swath.config.schema import RunConfig
from swath.errors import ConfigError

NOT_FIELDS = ("defaults",)
"""Words of Hydra's that a stored config holds; what they would bring is taken from swath's own files."""


def read_stored_config(text: str, where: str) -> RunConfig:
    """The configuration that a text describes, carried out as `conf/base.yaml` says.

    Of the fields that decide the numbers each must be there, or have been added later with a value with
    which runs are what they were. Fields that only say how a run is carried out are passed over.

    Args:
      text: YAML, as `stored_config` writes it, or as Hydra keeps it in `.hydra/config.yaml`.
      where: what an error message calls it.

    Raises:
      ConfigError: it is no such text, or has an unknown field, an interpolation or a value out of range.
    """
    try:
        plain = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError([f"{where} is no configuration: {reason}"]) from error
    if not isinstance(plain, dict):
        raise ConfigError([f"{where} is no configuration: expected FIELD: VALUE lines"])
    given = dict(_leaves(plain))
    docs = {name: doc for name, _, doc in walk_schema(RunConfig)}
    mistakes = [f"{where}: {name}: no field of swath's" for name in given if name not in docs]
    values = dict(_how_runs_are_carried_out())
    for name, doc in docs.items():
        if doc.role != "computed":
            continue
        value = given.get(name, doc.value_before)
        if value is None:
            mistakes.append(f"{where}: {name}: no value; expected {doc.expected}")
        elif isinstance(value, str) and "${" in value:
            mistakes.append(f"{where}: {name}={value}: expected a value, not a reference to one")
        values[name] = value
    if mistakes:
        raise ConfigError(mistakes)
    try:
        return to_run_config(nested(values))
    except ConfigError as error:
        raise ConfigError([f"{where}: {line}" for line in error.mistakes]) from error
    except OmegaConfBaseException as error:
        raise ConfigError([f"{where}: {str(error).splitlines()[0]}"]) from error


def read_params(params: Mapping[str, str]) -> RunConfig:
    """The configuration that a run's params describe, carried out as `conf/base.yaml` says.

    Raises:
      ConfigError: they describe none.
    """
    return read_stored_config(OmegaConf.to_yaml(OmegaConf.create(nested(params))), "params")


@cache
def _how_runs_are_carried_out() -> dict[str, Any]:
    node = OmegaConf.load(config_folder("conf") / "base.yaml")
    roles = {name: doc.role for name, _, doc in walk_schema(RunConfig)}
    plain = OmegaConf.to_container(node, resolve=False)
    assert isinstance(plain, dict)
    return {name: value for name, value in _leaves(plain) if roles.get(name) == "run"}


def _leaves(values: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if name in NOT_FIELDS:
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value
