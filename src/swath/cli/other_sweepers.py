"""Sweepers of others, which choose configurations during the sweep: what is known of them before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import OmegaConf

from swath.analysis import SearchedField, searched_fields
from swath.config import FIELDS, JobComposer, JobConfig, varying
from swath.errors import ConfigError

_NUMBER_OF_CONFIGURATIONS = ("n_trials", "optim.budget", "ax_config.max_trials")
"""Where the sweepers of Optuna, Nevergrad and Ax say how many configurations they choose."""

_AT_A_TIME = ("n_jobs", "optim.num_workers")


@dataclass(frozen=True)
class OtherSweeper:
    """Another sweeper, as far as the config tells.

    Attributes:
      name: of its class.
      lines: an override with an interval or several values for each field that it chooses, if they are known.
      swept: the fields that it chooses, and those that its choices of config groups change.
      most: configurations that it chooses, at most; None if that is not known.
      at_a_time: configurations that it chooses together; None if that is not known.
    """

    name: str
    lines: tuple[str, ...]
    swept: tuple[str, ...]
    most: int | None
    at_a_time: int | None

    @property
    def space(self) -> tuple[SearchedField, ...]:
        """The fields that it chooses, with their intervals."""
        return searched_fields(self.lines, ())


def other_sweeper(
    sweeper: Any, overrides: Sequence[Override], composer: JobComposer
) -> tuple[OtherSweeper, JobConfig]:
    """What is known of a sweeper, and a configuration with the values that all of its configurations share.

    Args:
      sweeper: Hydra's config of it.
      overrides: those of `hydra.sweeper.params`, then those of the command.
      composer: composes the configuration of a job.
    """
    last = {str(each.key_or_group): each for each in overrides}  # the last one counts
    fixed = [str(each.input_line) for each in last.values() if not each.is_sweep_override()]
    chosen = [each for each in last.values() if each.is_sweep_override()]
    fields = {str(each.key_or_group) for each in chosen if each.key_or_group in FIELDS}
    for each in chosen:
        if each.key_or_group not in FIELDS and each.is_discrete_sweep():
            fields |= set(_fields_of_group(each, fixed, composer))
    found = OtherSweeper(
        str(sweeper.get("_target_")).rpartition(".")[2],
        tuple(str(each.input_line) for each in chosen),
        tuple(name for name in FIELDS if name in fields),
        _number(sweeper, _NUMBER_OF_CONFIGURATIONS),
        _number(sweeper, _AT_A_TIME),
    )
    return found, composer.job(fixed)


def other_sweeper_mistakes(override: Override, options: dict[str, list[str]]) -> Iterator[str]:
    """What is wrong with an interval or the values that another sweeper is given; one line each."""
    from swath.searching import swept_mistakes

    key = str(override.key_or_group)
    if key in FIELDS and FIELDS[key].scope == "sweep":
        return
    yield from swept_mistakes(override, options)
    if not override.is_sweep_override() or override.is_discrete_sweep() or key not in FIELDS:
        return
    interval = override.value()
    assert isinstance(interval, IntervalSweep)
    if FIELDS[key].kind is int and not (type(interval.start) is int and type(interval.end) is int):
        typed = str(override.input_line).partition("=")[2]
        why = "the sweeper would choose numbers that are not whole"
        yield f"{override.input_line}: {why}; write {key}=int({typed})"


def _fields_of_group(override: Override, fixed: Sequence[str], composer: JobComposer) -> tuple[str, ...]:
    """The fields that differ between the choices of a config group."""
    configs = []
    for text in override.sweep_string_iterator():
        try:
            configs.append(composer.job([*fixed, f"{override.key_or_group}={text}"]).train)
        except ConfigError:  # together with what else the sweeper chooses it may be valid
            continue
    return varying(configs) if configs else ()


def _number(sweeper: Any, names: Sequence[str]) -> int | None:
    values = (OmegaConf.select(sweeper, name) for name in names)
    return next((value for value in values if type(value) is int and value > 0), None)
