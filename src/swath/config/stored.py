"""Stored forms of a configuration: `config.yaml`, params and fingerprint."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from swath.config.added_fields import forget_when_fields_change
from swath.config.additions import not_installed
from swath.config.constraints import Range
from swath.config.earlier_fields import is_removed
from swath.config.field_values import (
    computed_values,
    effective_values,
    named_values,
    nested,
    specs_of,
    walk_values,
)
from swath.config.fields import REQUIRED, FieldSpec, walk_schema
from swath.config.folders import config_folder
from swath.config.incremental_yaml import IncrementalYaml
from swath.config.schema import FIELDS, HEADLINE, build, schema_node
from swath.config.sweep_config import SweepConfig
from swath.config.train_config import TrainConfig
from swath.errors import ConfigError
from swath.system import as_float32, readable_number


def fingerprint(config: object) -> str:
    """Identity of a configuration: equal for two configurations whose runs are bit-identical.

    Only fields of `TrainConfig` count. Numbers count as the float32 or integer that is used in the
    computation. A field that a later version added counts only if it differs from its value in older stores,
    so fingerprints of older stores stay valid.

    Args:
      config: a checked `TrainConfig`.

    Returns:
      the first 16 hexadecimal digits of a SHA-256.
    """
    return _fingerprint({name: value for name, value, _ in walk_values(config)}, specs_of(config))


def _fingerprint(values: Mapping[str, Any], specs: Mapping[str, FieldSpec]) -> str:
    """The fingerprint of the configuration with these values of its fields."""
    identity = {}
    for name, spec in specs.items():
        value = values[name]
        # A value that says what None would mean anyway does not count either.
        if spec.counts_for_identity(value) and not (spec.null_means and value == values[spec.null_means]):
            identity[name] = as_float32(value).hex() if isinstance(value, float) else value
    return hashlib.sha256(_CANONICAL.encode(identity).encode()).hexdigest()[:16]


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def lane_fingerprint(config: object) -> str:
    """Identity of a lane: equal for two runs if the shorter is a prefix of the longer.

    Args:
      config: a checked `TrainConfig`.
    """
    least, specs = effective_values(config), specs_of(config)
    for name, spec in specs.items():
        limit = spec.constraint
        if spec.shared_by == "run" and isinstance(limit, Range):
            least[name] = limit.least
    return _fingerprint(least, specs)


_HEAD = """\
# Configuration of this run. Reproduce it bit-identically from the folder that contains this file:
#   swath --config-dir . --config-name config
"""

_CONFIGS = IncrementalYaml()
"""Configurations of a sweep differ in a few fields."""


def stored_config(config: object) -> str:
    """The fields of `TrainConfig`, as a primary config that extends swath's `base`."""
    # YAML for reading has lists, but no tuples.
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in computed_values(config).items()
    }
    values = {"defaults": ["base", "_self_"], **nested(plain)}
    return _HEAD + _CONFIGS.dump(values)


def readable_name(config: object, swept: Sequence[str] = ()) -> str:
    """The name of a run, made of the fields that vary in its sweep: `learning_rate=1e-06 seed=1`.

    MLflow's charts show about twenty characters of it, so it contains nothing that is the same in all runs.

    Args:
      config: of the run.
      swept: the fields that vary, by dotted name; `HEADLINE` if there are none.
    """
    return named_values(computed_values(config), swept or HEADLINE)


def run_name(config: object, swept: Sequence[str] = ()) -> str:
    """The name of a run on MLflow's page: `1e-06 1 (learning_rate seed)`; narrow columns show its beginning.

    Args:
      config: of the run.
      swept: the fields that vary, by dotted name; `HEADLINE` if there are none.
    """
    values, fields = computed_values(config), swept or HEADLINE
    return f"{' '.join(readable_number(values.get(field, '-')) for field in fields)} ({' '.join(fields)})"


NOT_FIELDS = ("defaults",)
"""Keys of Hydra in a stored config. What they include is read from swath's own files."""


def read_stored_config(text: str, where: str) -> TrainConfig:
    """Read a stored configuration.

    Every field of `TrainConfig` must be present, unless a later version added it and it has a value in older
    stores. Fields of `SweepConfig` and removed fields are ignored.

    Args:
      text: YAML, as `stored_config` writes it, or as in `.hydra/config.yaml`.
      where: name of the text in error messages.

    Raises:
      ConfigError: it is not a configuration, or has an unknown field, an interpolation or a bad value.
    """
    try:
        plain = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError([f"{where} is not a configuration: {reason}"]) from error
    if not isinstance(plain, dict):
        raise ConfigError([f"{where} is not a configuration: expected FIELD: VALUE lines"])
    given = {name: value for name, value in _leaves(plain) if not is_removed(name)}
    if missing := not_installed(given):
        raise ConfigError([f"{where}: {missing}"])  # its fields are unknown too
    mistakes = [f"{where}: {name}: unknown field" for name in given if name not in FIELDS]
    values = {}
    for name, spec in walk_schema(TrainConfig):
        value = given.get(name, None if spec.when_absent is REQUIRED else spec.when_absent)
        if value is None and spec.when_absent is REQUIRED:
            mistakes.append(f"{where}: {name}: no value; expected {spec.expected}")
        elif isinstance(value, str) and "${" in value:
            mistakes.append(f"{where}: {name}={value}: expected a value, not an interpolation")
        values[name] = value
    if mistakes:
        raise ConfigError(mistakes)
    try:
        return build(TrainConfig, _typed(values))
    except ConfigError as error:
        raise ConfigError([f"{where}: {line}" for line in error.mistakes]) from error
    except OmegaConfBaseException as error:
        raise ConfigError([f"{where}: {str(error).splitlines()[0]}"]) from error


def read_params(params: Mapping[str, str]) -> TrainConfig:
    """Read the configuration of a run from its params.

    Raises:
      ConfigError: they are not a configuration.
    """
    return read_stored_config(OmegaConf.to_yaml(OmegaConf.create(nested(params))), "params")


@cache
def default_sweep_config() -> SweepConfig:
    """The settings of `conf/base.yaml`."""
    plain = OmegaConf.to_container(OmegaConf.load(config_folder("conf") / "base.yaml"), resolve=False)
    assert isinstance(plain, dict)
    names = [name for name, _ in walk_schema(SweepConfig)]
    return build(SweepConfig, _typed({name: value for name, value in _leaves(plain) if name in names}))


def sweep_config_of(values: Mapping[str, Any]) -> SweepConfig:
    """The settings of values by dotted name, such as JSON holds them.

    Raises:
      ConfigError: a value is out of range.
    """
    return build(SweepConfig, _typed(values))


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name, converted to the declared types."""
    node = OmegaConf.merge(_without_values(), nested(values))  # of a copy
    return {name: OmegaConf.select(node, name) for name in values}


@cache
def _without_values() -> DictConfig:
    return schema_node()


forget_when_fields_change(_without_values.cache_clear)


def _leaves(values: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if name in NOT_FIELDS:
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def typed(field: str, text: str) -> Any:
    """Convert the text of a param to the type of the field; text that cannot be converted stays text."""
    kind = field_types().get(field)
    try:
        return kind(text) if kind in (int, float) else text
    except ValueError:
        return text


@cache
def field_types() -> dict[str, Any]:
    """The type of each hyperparameter, by dotted name."""
    return {name: spec.kind for name, spec in walk_schema(TrainConfig)}


forget_when_fields_change(field_types.cache_clear)
