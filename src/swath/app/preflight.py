"""A command checked as a whole before anything is started: every job of a sweep, every mistake at once."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from swath.app.composing import compose_config, config_of, hydra_ready
from swath.app.jobs import JobComposer
from swath.app.mistakes import GROUPS, is_of_the_whole_sweep, override_mistakes, parse_overrides
from swath.config.fields import varying, walk_values
from swath.config.folders import config_folder
from swath.config.schema import RunConfig
from swath.errors import ConfigError

MOST_MISTAKES = 20
_GRID_SWEEPERS = (
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.swath_fused.sweeper.FusedSweeper",
)
_FUSED_LAUNCHER = "hydra_plugins.swath_fused.launcher.FusedLauncher"


@dataclass(frozen=True)
class CheckedCommand:
    """A command that can be carried out.

    Attributes:
      multirun: whether it is a sweep.
      config_name: the primary config.
      configs: what will be run, in order; only the first of them where another sweeper will choose.
      jobs_known: whether `configs` is complete.
      swept: computed fields that vary, by dotted name.
      fused: whether they are trained side by side.
      at_a_time: how many of them the sweeper hands to its launcher in one go.
    """

    multirun: bool
    config_name: str
    configs: tuple[RunConfig, ...]
    jobs_known: bool
    swept: tuple[str, ...]
    fused: bool
    at_a_time: int


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
    options = {group: _group_options(group, user_folders) for group in GROUPS}
    with hydra_ready():
        overrides = parse_overrides(texts)
        _raise_if(m for override in overrides for m in override_mistakes(override, options))
        single = [override for override in overrides if not override.is_sweep_override()]
        base = compose_config(config_name, [_line(override) for override in single])
        sweeping = multirun or base.hydra.mode == RunMode.MULTIRUN
        if not sweeping:
            _raise_if(
                f"{override.input_line}: one value expected; several make a sweep: add -m"
                for override in overrides
                if override.is_sweep_override()
            )
            return _checked(base, config_name, [config_of(base)], True)
        if base.hydra.sweeper.get("_target_") not in _GRID_SWEEPERS:
            return _checked(base, config_name, [config_of(base)], False, multirun=True)
        params = parse_overrides([f"{k}={v}" for k, v in (base.hydra.sweeper.get("params") or {}).items()])
        _raise_if(m for override in params for m in override_mistakes(override, options))
        task = [override for override in overrides if not override.is_hydra_override()]
        hydra_lines = [_line(override) for override in single if override.is_hydra_override()]
        jobs = _jobs(config_name, params + task, hydra_lines)
        return _checked(base, config_name, jobs, True, multirun=True)


def _checked(
    base: DictConfig, name: str, configs: list[RunConfig], known: bool, multirun: bool = False
) -> CheckedCommand:
    _raise_if(_divided(configs))
    fused = base.hydra.launcher.get("_target_") == _FUSED_LAUNCHER
    at_a_time = base.hydra.sweeper.get("max_batch_size") or len(configs)
    return CheckedCommand(multirun, name, tuple(configs), known, varying(configs), fused, at_a_time)


def _divided(configs: list[RunConfig]) -> Iterator[str]:
    """Fields that hold for a sweep as a whole and that an interpolation has made differ."""
    first, *others = [{name: value for name, value, _ in walk_values(config)} for config in configs]
    for name in (name for name in first if is_of_the_whole_sweep(name)):
        values = {str(entry[name]) for entry in (first, *others)}
        if len(values) > 1:
            yield f"{name}: one value expected for the whole sweep; found {', '.join(sorted(values))}"


def _jobs(config_name: str, overrides: list[Override], hydra_lines: list[str]) -> list[RunConfig]:
    """Every job's configuration, in the order of Hydra's basic sweeper."""
    _raise_if(
        f"{override.input_line}: an interval is for a sweeper that chooses values; expected values, for "
        f"example {override.key_or_group}=50,100"
        for override in overrides
        if override.is_sweep_override() and not override.is_discrete_sweep()
    )
    (jobs,) = BasicSweeper.split_arguments(overrides, None)
    composer = JobComposer(config_name, hydra_lines)
    mistakes: dict[str, None] = {}
    configs = []
    for job in jobs:
        try:
            configs.append(composer.config(job))
        except ConfigError as error:
            mistakes |= dict.fromkeys(error.mistakes)
    _raise_if(iter(mistakes))
    return configs


def _group_options(group: str, user_folders: tuple[Path, ...]) -> list[str]:
    folders = [folder / group for folder in (*user_folders, config_folder("conf"))]
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def _line(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _raise_if(mistakes: Iterator[str]) -> None:
    found = list(itertools.islice(mistakes, MOST_MISTAKES + 1))
    if len(found) > MOST_MISTAKES:
        found[MOST_MISTAKES:] = ["... and more mistakes of this kind"]
    if found:
        raise ConfigError(found)
