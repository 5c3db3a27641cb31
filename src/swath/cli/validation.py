"""Checks a command before anything starts: every override and every job; reports all mistakes at once."""

import difflib
import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Glob, Override
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from swath.cli.hydra_checks import LANES_LAUNCHER, hydra_mistakes
from swath.config import (
    FIELDS,
    POSTPROCESS,
    JobComposer,
    JobConfig,
    SweepConfig,
    TrainConfig,
    compose_config,
    config_groups,
    config_of,
    hydra_ready,
    literal_values,
    parse_overrides,
    removed_choice,
    removed_key,
    typed_value,
    varying,
    walk_values,
)
from swath.errors import ConfigError

_NODES = tuple({name.split(".")[0]: None for name in FIELDS if "." in name})

_LISTED = "; to list all fields, run: swath --help"


def override_mistakes(override: Override, group_options: dict[str, list[str]]) -> Iterator[str]:
    """Mistakes of a single override, regardless of the others; one line each.

    Args:
      override: parsed by Hydra.
      group_options: the names of the configs in each config group.
    """
    key = override.key_or_group
    removed = removed_key(key) or next(
        filter(None, (removed_choice(key, value) for value in literal_values(override))), None
    )
    if removed is not None:
        yield removed
        return
    if override.is_hydra_override() or override.package is not None:
        return
    if override.is_delete():
        yield f"{override.input_line}: fields cannot be deleted; each has a default"
    elif key in _NODES and (key not in group_options or isinstance(override.value(), dict)):
        field = next(name for name in FIELDS if name.startswith(f"{key}."))
        yield f"{override.input_line}: set each field of {key} separately, for example {field}=..."
    elif key in group_options:
        yield from _group_mistakes(override, group_options[key])
    elif key not in FIELDS:
        suggestion = _suggestion(key, [*FIELDS, *group_options], _LISTED)
        yield f"{override.input_line}: {f'unknown field {key}' if key else 'missing field name'}{suggestion}"
    elif override.is_add():
        yield f"{override.input_line}: the field exists; remove the leading +"
    elif key in FIELDS and isinstance(override.value(), Glob):
        yield f"{override.input_line}: expected {FIELDS[key].expected}"
    elif key in FIELDS:
        if override.is_sweep_override() and FIELDS[key].scope == "sweep":
            yield f"{override.input_line}: expected one value for the whole sweep"
            return
        for value in literal_values(override):
            yield from value_mistakes(key, value)


def value_mistakes(key: str, value: object) -> Iterator[str]:
    """A line if a value is not allowed for its field."""
    doc = FIELDS[key]
    if isinstance(value, str) and "${" in value:
        return  # an interpolation; its value is checked after the config is composed
    try:
        typed = typed_value(key, value)
    except OmegaConfBaseException:
        yield f"{key}={value}: expected {doc.expected}{_value_hint(key, value)}"
        return
    if not doc.allows(typed):
        yield f"{key}={value}: expected {doc.expected}"


def _value_hint(key: str, value: object) -> str:
    """How a value is written that was typed in another way; empty if there is no hint."""
    if isinstance(value, list | ListConfig):
        values = ",".join(str(entry) for entry in value)
        return f"; to sweep several values, leave out brackets and blanks: -m {key}={values}"
    if isinstance(value, float) and FIELDS[key].kind is int and value.is_integer():
        return f"; did you mean {key}={int(value)}?"
    return ""


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


def _suggestion(name: str, known: list[str], otherwise: str = "") -> str:
    initials = [field for field in known if len(name) > 1 and name == "".join(w[0] for w in field.split("_"))]
    near = initials or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else otherwise


MAX_MISTAKES = 20
"""Listed mistakes."""

_GRID_SWEEPERS = (
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.swath_lanes.sweeper.LanesSweeper",
)


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
    options = config_groups(user_folders)
    with hydra_ready():
        overrides = parse_overrides(texts)
        _raise_if(m for override in overrides for m in override_mistakes(override, options))
        single = [override for override in overrides if not override.is_sweep_override()]
        base = compose_config(config_name, [_line(override) for override in single])
        sweeping = multirun or base.hydra.mode == RunMode.MULTIRUN
        hydra_lines = [_line(override) for override in single if override.is_hydra_override()]
        if sweeping and base.hydra.mode != RunMode.MULTIRUN:
            hydra_lines.append(f"hydra.mode={RunMode.MULTIRUN.name}")  # as Hydra does for -m
        composer = JobComposer(config_name, hydra_lines)
        if not sweeping:
            _raise_if(
                f"{override.input_line}: expected one value; to sweep several values, add -m"
                for override in overrides
                if override.is_sweep_override()
            )
            return _checked(base, config_name, [config_of(base)], composer)
        if base.hydra.sweeper.get("_target_") not in _GRID_SWEEPERS:
            _raise_if(
                f"{name}: expected one value for the whole sweep; a sweeper cannot choose it"
                for name in base.hydra.sweeper.get("params") or {}
                if str(name) in FIELDS and FIELDS[str(name)].scope == "sweep"
            )
            chosen = {str(each.key_or_group) for each in overrides if each.is_sweep_override()}
            chosen |= {str(name) for name in base.hydra.sweeper.get("params") or {}}
            return _checked(base, config_name, [config_of(base)], composer, multirun=True, chosen=chosen)
        params = parse_overrides([f"{k}={v}" for k, v in (base.hydra.sweeper.get("params") or {}).items()])
        _raise_if(m for override in params for m in override_mistakes(override, options))
        task = [override for override in overrides if not override.is_hydra_override()]
        return _checked(base, config_name, _jobs(composer, params + task), composer, multirun=True)


def _checked(
    base: DictConfig,
    name: str,
    jobs: list[JobConfig],
    composer: JobComposer,
    multirun: bool = False,
    chosen: set[str] | None = None,
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
        chosen is None,
        varying(configs) if chosen is None else _computed_only(chosen),
        trains_lanes,
        jobs_per_launch,
        composer,
    )


def _computed_only(chosen: set[str]) -> tuple[str, ...]:
    """The fields that a sweeper chooses, in order; none if it also chooses a config group."""
    fields = tuple(name for name, spec in FIELDS.items() if name in chosen and spec.scope == "identity")
    return fields if len(fields) == len(chosen) else ()


def differing_settings(sweeps: list[SweepConfig]) -> Iterator[str]:
    """Settings that differ between jobs because of an interpolation or a config group; one line each."""
    first, *others = [
        {name: value for name, value, _ in walk_values(sweep)} for sweep in dict.fromkeys(sweeps)
    ]
    for name in first:
        values = {str(entry[name]) for entry in (first, *others)}
        if len(values) > 1:
            yield f"{name}: expected one value for the whole sweep; found {', '.join(sorted(values))}"


def _jobs(composer: JobComposer, overrides: list[Override]) -> list[JobConfig]:
    """The configurations of all jobs, in the order of Hydra's basic sweeper."""
    _raise_if(
        f"{override.input_line}: a grid has no intervals; expected values, for example "
        f"{override.key_or_group}={example_values(str(override.key_or_group))}; intervals are for sweepers "
        "that search, such as hydra/sweeper=optuna"
        for override in overrides
        if override.is_sweep_override() and not override.is_discrete_sweep()
    )
    _raise_if(
        f"{override.input_line}: no values"
        for override in overrides
        if override.is_sweep_override() and not any(True for _ in override.sweep_iterator())
    )
    (jobs,) = BasicSweeper.split_arguments(overrides, None)
    mistakes: dict[str, None] = {}
    configs = []
    for job in jobs:
        try:
            configs.append(composer.job(job))
        except ConfigError as error:
            mistakes |= dict.fromkeys(error.mistakes)
    _raise_if(iter(mistakes))
    return configs


def example_values(key: str) -> str:
    """Two values of a field for an example."""
    return {int: "50,100", float: "1e-7,1e-6"}.get(FIELDS[key].kind, "A,B") if key in FIELDS else "50,100"


def _line(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _raise_if(mistakes: Iterator[str]) -> None:
    found = list(itertools.islice(mistakes, MAX_MISTAKES + 1))
    if len(found) > MAX_MISTAKES:
        found[MAX_MISTAKES:] = ["... and more mistakes of this kind"]
    if found:
        raise ConfigError(found)


POSTPROCESS_VARIABLE = "SWATH_POSTPROCESS"
"""Environment variable: the default of `tracking.postprocess`."""

_FORMER_VARIABLE = "SWATH_AFTERWARDS"


BATCH_VARIABLES = ("CI", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
"""Variables of sessions that end with the command: continuous integration, batch jobs, containers."""

CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")


def outlives_command() -> bool:
    """Whether a background process can outlive the command: only in the session of a terminal."""
    in_batch = any(os.environ.get(name) for name in BATCH_VARIABLES)
    in_container = any(Path(name).exists() for name in CONTAINER_FILES)
    return sys.stdout is not None and sys.stdout.isatty() and not in_batch and not in_container


def postprocess_when(checked: CheckedCommand) -> str:
    """When postprocessing runs: background, wait or off.

    Raises:
      ConfigError: an environment variable has an unknown name or value.
    """
    if _FORMER_VARIABLE in os.environ:
        raise ConfigError([f"${_FORMER_VARIABLE} is now ${POSTPROCESS_VARIABLE}"])
    default = "background" if outlives_command() else "wait"
    when = checked.sweep.tracking.postprocess or os.environ.get(POSTPROCESS_VARIABLE) or default
    if when not in POSTPROCESS:
        raise ConfigError([f"{POSTPROCESS_VARIABLE}={when}: expected one of {', '.join(POSTPROCESS)}"])
    return when
