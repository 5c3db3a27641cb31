"""A configuration as text and as an identity: written, hashed, read back."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from swath.config.compose import config_folder
from swath.config.constraints import Range, as_float32
from swath.config.fields import REQUIRED, computed_values, named_values, nested, walk_schema, walk_values
from swath.config.removed import is_removed
from swath.config.schema import FIELDS, HEADLINE, SweepConfig, TrainConfig, build, schema_node
from swath.errors import ConfigError


def fingerprint(config: object) -> str:
    """Identity of what `config` computes: equal for two configurations whose runs have the same bits.

    Paths, tracking and the screen do not count. Numbers count as the float32 or integer that enters the
    computation. A field that a later version added counts only where it differs from the value with which
    runs are what they were before, so old fingerprints stay.

    Args:
      config: a checked `TrainConfig`.

    Returns:
      16 hexadecimal digits, the head of a SHA-256.
    """
    identity = {
        name: as_float32(value).hex() if isinstance(value, float) else value
        for name, value, spec in walk_values(config)
        if spec.counts_for_identity(value)
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def lane_fingerprint(config: object) -> str:
    """Identity of what a lane computes: equal for two runs of which one is the beginning of the other.

    Args:
      config: a checked `TrainConfig`.
    """
    least: dict[str, Any] = {}
    for name, value, spec in walk_values(config):
        limit = spec.constraint
        least[name] = limit.least if spec.shared_by == "run" and isinstance(limit, Range) else value
    return fingerprint(build(type(config), least))


_HEAD = """\
# What this run computed. Run it again, with the same bits, from the folder that holds this file:
#   swath --config-dir . --config-name config
"""


def stored_config(config: object) -> str:
    """The fields that decide the numbers, as a primary config that extends swath's `base`."""
    values = {"defaults": ["base", "_self_"], **nested(computed_values(config))}
    return _HEAD + OmegaConf.to_yaml(OmegaConf.create(values))


def readable_name(config: object, swept: Sequence[str] = ()) -> str:
    """The name of a run, by what varies in its sweep: `learning_rate=1e-06 seed=1`.

    MLflow's page of charts shows some twenty characters of it, so nothing stands in it that is the same in
    all runs.

    Args:
      config: of the run.
      swept: the fields that vary, by dotted name; without any, `HEADLINE`.
    """
    return named_values(computed_values(config), swept or HEADLINE)


NOT_FIELDS = ("defaults",)
"""Words of Hydra's that a stored config holds; what they would bring is taken from swath's own files."""


def read_stored_config(text: str, where: str) -> TrainConfig:
    """The configuration that a text describes.

    Of the fields that decide the numbers each must be there, or have been added later with a value with
    which runs are what they were. Fields of SweepConfig, and those that are removed by now, are ignored.

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
    given = {name: value for name, value in _leaves(plain) if not is_removed(name)}
    mistakes = [f"{where}: {name}: unknown field" for name in given if name not in FIELDS]
    values = {}
    for name, spec in walk_schema(TrainConfig):
        value = given.get(name, None if spec.when_absent is REQUIRED else spec.when_absent)
        if value is None:
            mistakes.append(f"{where}: {name}: no value; expected {spec.expected}")
        elif isinstance(value, str) and "${" in value:
            mistakes.append(f"{where}: {name}={value}: expected a value, not a reference to one")
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
    """The configuration that a run's params describe.

    Raises:
      ConfigError: they describe none.
    """
    return read_stored_config(OmegaConf.to_yaml(OmegaConf.create(nested(params))), "params")


@cache
def default_sweep_config() -> SweepConfig:
    """The settings of `conf/base.yaml`."""
    plain = OmegaConf.to_container(OmegaConf.load(config_folder("conf") / "base.yaml"), resolve=False)
    assert isinstance(plain, dict)
    names = [name for name, _ in walk_schema(SweepConfig)]
    return build(SweepConfig, _typed({name: value for name, value in _leaves(plain) if name in names}))


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name, converted to the declared types."""
    node = OmegaConf.merge(schema_node(), nested(values))
    return {name: OmegaConf.select(node, name) for name in values}


def _leaves(values: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if name in NOT_FIELDS:
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value
