"""A command checked as a whole before anything is started: every job of a sweep, every mistake at once."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.app.mistakes import FIELDS, GROUPS, literal_values, override_mistakes, parse_overrides, typed_value
from swath.app.search_path import config_folder
from swath.config.fields import computed_values
from swath.config.node import schema_node
from swath.config.schema import DataConfig, RunConfig, TrackingConfig
from swath.errors import ConfigError

MOST_MISTAKES = 20
_BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class CheckedCommand:
    """A command that can be carried out.

    Attributes:
      multirun: whether it is a sweep.
      config_name: the primary config.
      configs: what will be run, in order; only the first of them where another sweeper will choose.
      jobs_known: whether `configs` is complete.
      swept: computed fields that vary, by dotted name.
    """

    multirun: bool
    config_name: str
    configs: tuple[RunConfig, ...]
    jobs_known: bool
    swept: tuple[str, ...]


def check_command(
    config_name: str, texts: list[str], multirun: bool, user_folders: tuple[Path, ...]
) -> CheckedCommand:
    """Compose and check everything that a command asks for, without writing anything.

    Args:
      config_name: the primary config.
      texts: the overrides as typed.
      multirun: whether `-m` was typed; a primary config may ask for a sweep by itself.
      user_folders: what `--config-dir` names.

    Raises:
      ConfigError: with every mistake that was found.
    """
    overrides = parse_overrides(texts)
    options = {group: _group_options(group, user_folders) for group in GROUPS}
    _raise_if(m for override in overrides for m in override_mistakes(override, options))
    with _hydra_ready():
        single = [override for override in overrides if not override.is_sweep_override()]
        base = _compose(config_name, [_line(override) for override in single])
        sweeping = multirun or base.hydra.mode == RunMode.MULTIRUN
        if not sweeping:
            _raise_if(
                f"{override.input_line}: one value expected; several make a sweep: add -m"
                for override in overrides
                if override.is_sweep_override()
            )
            return _checked(False, config_name, [_config_of(base)], True)
        if base.hydra.sweeper.get("_target_") != _BASIC_SWEEPER:
            return _checked(True, config_name, [_config_of(base)], False)
        params = parse_overrides([f"{k}={v}" for k, v in (base.hydra.sweeper.get("params") or {}).items()])
        _raise_if(m for override in params for m in override_mistakes(override, options))
        task = [override for override in overrides if not override.is_hydra_override()]
        hydra_lines = [_line(override) for override in single if override.is_hydra_override()]
        return _checked(True, config_name, list(_jobs(config_name, params + task, hydra_lines)), True)


def _checked(multirun: bool, name: str, configs: list[RunConfig], known: bool) -> CheckedCommand:
    values = [computed_values(config) for config in configs]
    swept = tuple(field for field in values[0] if len({entry[field] for entry in values}) > 1)
    return CheckedCommand(multirun, name, tuple(configs), known, swept)


def _jobs(config_name: str, overrides: list[Override], hydra_lines: list[str]) -> Iterator[RunConfig]:
    """Every job's configuration, in Hydra's order.

    Overrides that only set a field to a literal are applied to a config that was composed once; only the
    others (config groups, interpolations) are composed, once for each combination of them.
    """
    (jobs,) = BasicSweeper.split_arguments(overrides, None)
    typed: dict[str, tuple[str, Any]] = {}
    composed: dict[tuple[str, ...], dict[str, Any]] = {}
    mistakes: dict[str, None] = {}
    configs = []
    for lines in jobs:
        for line in lines:
            if line not in typed:
                typed[line] = _literal(line)
        others = tuple(line for line in lines if not typed[line][0])
        if others not in composed:
            composed[others] = _flat(_compose(config_name, [*hydra_lines, *others]))
        values = composed[others] | dict(typed[line] for line in lines if typed[line][0])
        try:
            configs.append(_build(values))
        except ConfigError as error:
            mistakes |= dict.fromkeys(error.mistakes)
    _raise_if(iter(mistakes))
    yield from configs


def _literal(line: str) -> tuple[str, Any]:
    """(field, typed value) of an override that sets a field to a literal, ("", None) of any other."""
    (override,) = parse_overrides([line])
    key = override.key_or_group
    if key not in FIELDS or override.package is not None:
        return "", None
    (value,) = literal_values(override)
    if isinstance(value, str) and "${" in value:
        return "", None
    return key, typed_value(key, value)


def _config_of(composed: DictConfig) -> RunConfig:
    return _build(_flat(composed))


def _flat(composed: DictConfig) -> dict[str, Any]:
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
        raise ConfigError([_one_line(error)]) from error
    for name, doc in FIELDS.items():
        if OmegaConf.is_missing(*_parent(node, name)):
            mistakes.append(f"{name}: no value; expected {doc.expected}")
        else:
            values[name] = OmegaConf.select(node, name)
    _raise_if(iter(mistakes))
    return values


def _parent(node: Any, name: str) -> tuple[Any, str]:
    *groups, leaf = name.split(".")
    for group in groups:
        node = node[group]
    return node, leaf


def _build(values: dict[str, Any]) -> RunConfig:
    nested: dict[str, dict[str, Any]] = {"data": {}, "tracking": {}}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        group, _, leaf = name.rpartition(".")
        (nested[group] if group else flat)[leaf] = value
    return RunConfig(**flat, data=DataConfig(**nested["data"]), tracking=TrackingConfig(**nested["tracking"]))


def _compose(config_name: str, lines: list[str]) -> DictConfig:
    try:
        return compose(config_name, lines, return_hydra_config=True)
    except HydraException as error:
        raise ConfigError([_one_line(error)]) from error


class _hydra_ready:  # noqa: N801  used like a function
    """Hydra initialised for composing, and left as it was found."""

    def __enter__(self) -> None:
        self._context = initialize(version_base="1.3", config_path=None, job_name="swath")
        self._context.__enter__()

    def __exit__(self, *_: object) -> None:
        GlobalHydra.instance().clear()


def _group_options(group: str, user_folders: tuple[Path, ...]) -> list[str]:
    folders = [folder / group for folder in (*user_folders, config_folder("conf"))]
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def _line(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _one_line(error: Exception) -> str:
    """An error of Hydra's or OmegaConf's as one line, with what caused it."""
    causes = [str(part) for part in (error, error.__cause__) if part is not None]
    lines = [line.strip() for line in "\n".join(causes).splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("reference_type", "object_type")))


def _raise_if(mistakes: Iterator[str]) -> None:
    found = list(itertools.islice(mistakes, MOST_MISTAKES + 1))
    if len(found) > MOST_MISTAKES:
        found[MOST_MISTAKES:] = ["... and more mistakes of this kind"]
    if found:
        raise ConfigError(found)
