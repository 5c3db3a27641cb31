"""Checks a command before anything starts: every override and every job; reports all mistakes at once."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.utils import _locate
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from swath.cli.hydra_checks import LANES_LAUNCHER, LANES_SWEEPER, hydra_mistakes
from swath.cli.other_sweepers import OtherSweeper, other_sweeper, other_sweeper_mistakes
from swath.cli.override_checks import override_mistakes, single_mistake
from swath.cli.search_checks import is_search, search_plan
from swath.config import (
    FIELDS,
    ConfigFiles,
    JobComposer,
    JobConfig,
    SweepConfig,
    TrainConfig,
    compose_config,
    config_groups,
    config_of,
    hydra_ready,
    parse_overrides,
    unknown_field,
    varying,
    walk_values,
)
from swath.datasets import forget_files
from swath.errors import ConfigError
from swath.searching import swept_mistakes

if TYPE_CHECKING:
    from swath.searching import SearchPlan

MAX_MISTAKES = 20
"""Listed mistakes."""

_GRID_SWEEPERS = (
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    LANES_SWEEPER,
)


SETTINGS = frozenset(name for name, spec in FIELDS.items() if spec.scope == "sweep")
"""Fields that have one value for the whole sweep."""


@dataclass(frozen=True)
class CheckedCommand:
    """A command without mistakes.

    Attributes:
      multirun: whether it is a sweep.
      config_name: the primary config.
      configs: the configurations, in order; a single example if a sweeper chooses them during the sweep.
      sweep: the settings of the command.
      jobs_known: whether `configs` is complete.
      swept: computed fields that vary or that a sweeper chooses, by dotted name.
      trains_lanes: whether the launcher trains the jobs as lanes.
      jobs_per_launch: number of jobs that the sweeper passes to its launcher at a time.
      composer: composes the config of a job.
      base: composed config with Hydra's part; a job's fields may differ.
      sweeper: another sweeper, which chooses configurations during the sweep; None for swath's own.
      search: what a search will do; `configs` are those of its first round. None for other commands.
    """

    multirun: bool
    config_name: str
    configs: tuple[TrainConfig, ...]
    sweep: SweepConfig
    jobs_known: bool
    swept: tuple[str, ...]
    trains_lanes: bool
    jobs_per_launch: int
    composer: JobComposer
    base: DictConfig
    sweeper: OtherSweeper | None = None
    search: "SearchPlan | None" = None


def check_command(
    config_name: str, texts: list[str], multirun: bool, user_folders: tuple[Path, ...]
) -> CheckedCommand:
    """Compose and check all configs of a command, without writing anything.

    Args:
      config_name: the primary config.
      texts: the overrides as typed.
      multirun: whether `-m` was given; a primary config may also start a sweep without it.
      user_folders: folders given with `--config-dir`.

    Raises:
      ConfigError: the command has mistakes; it contains all of them.
    """
    forget_files()
    options = config_groups(user_folders)
    files = ConfigFiles(config_name, user_folders)
    with hydra_ready():
        overrides = parse_overrides(texts)
        typed = (line for override in overrides for line in override_mistakes(override, options))
        _raise_if(itertools.chain(files.mistakes(), typed))
        single = [override for override in overrides if not override.is_sweep_override()]
        base = compose_config(config_name, [_line(override) for override in single])
        sweeping = multirun or base.hydra.mode == RunMode.MULTIRUN
        hydra_lines = [_line(override) for override in single if override.is_hydra_override()]
        if sweeping and base.hydra.mode != RunMode.MULTIRUN:
            hydra_lines.append(f"hydra.mode={RunMode.MULTIRUN.name}")  # as Hydra does for -m
        composer = JobComposer(config_name, hydra_lines)
        searches = base.hydra.sweeper.get("_target_") not in _GRID_SWEEPERS
        params = base.hydra.sweeper.get("params") or {}
        if not sweeping:
            swept = [override for override in overrides if override.is_sweep_override()]
            _raise_if(single_mistake(override) for override in swept)
            if base.hydra.mode is None:
                _raise_if(_without_mode(params, files))
            return _checked(base, config_name, [config_of(base)], composer)
        task = [override for override in overrides if not override.is_hydra_override()]
        if searches:
            _raise_if(_searched_mistakes(params, options, files))
            # Others may be objects, such as Ax's.
            known = {name: each for name, each in params.items() if isinstance(each, str | int | float)}
            chosen = [*_parsed_params(known, options, files), *task]
            _raise_if(line for each in chosen for line in other_sweeper_mistakes(each, options))
            sweeper, job = other_sweeper(base.hydra.sweeper, chosen, composer)
            return _checked(base, config_name, [job], composer, multirun=True, sweeper=sweeper)
        in_files = _parsed_params(params, options, files)
        if is_search(base, [*in_files, *task], files):
            return _checked_search(base, config_name, composer, [*in_files, *task], options)
        _raise_if(line for each in task for line in swept_mistakes(each, options))
        sweeper = _locate(base.hydra.sweeper._target_)
        jobs = _jobs(composer, sweeper.split_arguments(in_files + task, None)[0])
        return _checked(base, config_name, jobs, composer, multirun=True)


def _checked_search(
    base: DictConfig,
    name: str,
    composer: JobComposer,
    overrides: list[Override],
    options: dict[str, list[str]],
) -> CheckedCommand:
    """A search, whose configurations are those of its first round so far."""
    from swath.searching import first_round

    plan = search_plan(base, composer, overrides, options)
    settings = [_line(each) for each in overrides if str(each.key_or_group) in SETTINGS]
    ends = [plan.space.at([end] * len(plan.space.dimensions)) for end in (0.0, 0.999)]
    at_ends = [composer.job([*settings, *plan.overrides(end)]).sweep for end in ends]
    _raise_if(differing_settings(at_ends))
    sweep = config_of(base).sweep
    jobs = [JobConfig(config, sweep) for config in first_round(plan)]
    checked = _checked(base, name, jobs, composer, multirun=True)
    named = dict.fromkeys(each.name for each in plan.space.dimensions)
    return replace(checked, search=plan, swept=tuple(each for each in named if each in FIELDS))


PARAMS = ("hydra", "sweeper", "params")
"""Where a config says what is swept."""


def _without_mode(params: Iterable[Any], files: ConfigFiles) -> Iterator[str]:
    """A line if a config that says what is swept does not say that it is a sweep."""
    for place in [_in_params("", files)] if params else []:
        yield f"{place}hydra.sweeper.params without hydra.mode; write mode: MULTIRUN below hydra:, or add -m"


def _in_params(name: str, files: ConfigFiles) -> str:
    """File and line of an entry of `hydra.sweeper.params`, as the beginning of a message; else empty."""
    place = files.place((*PARAMS, name) if name else PARAMS)
    return f"{place}: " if place else ""


def _searched_mistakes(
    params: Iterable[Any], options: dict[str, list[str]], files: ConfigFiles
) -> Iterator[str]:
    """What a sweeper that searches cannot choose; one line each."""
    for name in map(str, params):
        if name in FIELDS and FIELDS[name].scope == "sweep":
            why = "expected one value for the whole sweep; a sweeper cannot choose it"
            yield f"{_in_params(name, files)}{name}: {why}"
        elif name not in FIELDS and name not in options and name.split(".")[0] != "hydra":
            yield f"{_in_params(name, files)}{name}: {unknown_field(name, options)}"


def _parsed_params(params: Any, options: dict[str, list[str]], files: ConfigFiles) -> list[Override]:
    """The entries of `hydra.sweeper.params` as overrides.

    Raises:
      ConfigError: some are mistaken; it lists all of them, with file and line.
    """
    found: list[Override] = []
    mistakes: list[str] = []
    for name, value in params.items():
        place = _in_params(str(name), files)
        try:
            (override,) = parse_overrides([f"{name}={value}"])
        except ConfigError as error:
            mistakes += [f"{place}{line}" for line in error.mistakes]
            continue
        found.append(override)
        lines = list(override_mistakes(override, options, in_file=True)) or swept_mistakes(override, options)
        mistakes += [f"{place}{line}" for line in lines]
    _raise_if(iter(mistakes))
    return found


def _checked(
    base: DictConfig,
    name: str,
    jobs: list[JobConfig],
    composer: JobComposer,
    multirun: bool = False,
    sweeper: OtherSweeper | None = None,
) -> CheckedCommand:
    _raise_if(hydra_mistakes(base, multirun))
    _raise_if(differing_settings([job.sweep for job in jobs]))
    configs = [job.train for job in jobs]
    trains_lanes = base.hydra.launcher.get("_target_") == LANES_LAUNCHER
    jobs_per_launch = base.hydra.sweeper.get("max_batch_size") or len(configs)
    return CheckedCommand(
        multirun,
        name,
        tuple(configs),
        jobs[0].sweep,
        sweeper is None,
        varying(configs) if sweeper is None else sweeper.swept,
        trains_lanes,
        jobs_per_launch,
        composer,
        base,
        sweeper=sweeper,
    )


def differing_settings(sweeps: list[SweepConfig]) -> Iterator[str]:
    """Settings that differ between jobs because of an interpolation or a config group; one line each."""
    different = dict.fromkeys({id(sweep): sweep for sweep in sweeps}.values())  # jobs share most of them
    first, *others = [{name: value for name, value, _ in walk_values(sweep)} for sweep in different]
    for name in first:
        values = {str(entry[name]) for entry in (first, *others)}
        if len(values) > 1:
            yield f"{name}: expected one value for the whole sweep; found {', '.join(sorted(values))}"


def _jobs(composer: JobComposer, jobs: Iterable[list[str]]) -> list[JobConfig]:
    """The configurations of all jobs, whose overrides are given."""
    mistakes: dict[str, None] = {}
    configs = []
    for job in jobs:
        try:
            configs.append(composer.job(job))
        except ConfigError as error:
            mistakes |= dict.fromkeys(error.mistakes)
    _raise_if(iter(mistakes))
    return configs


def _line(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _raise_if(mistakes: Iterator[str]) -> None:
    found = list(itertools.islice(mistakes, MAX_MISTAKES + 1))
    if len(found) > MAX_MISTAKES:
        found[MAX_MISTAKES:] = ["... and more mistakes of this kind"]
    if found:
        raise ConfigError(found)
