"""Which commands are searches, and their plans."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from swath.cli.override_checks import override_mistakes
from swath.config import (
    FIELDS,
    SEARCH_DEFAULTS,
    ConfigFiles,
    JobComposer,
    SearchConfig,
    config_of,
    parse_overrides,
)
from swath.datasets import spec_of
from swath.errors import ConfigError
from swath.tracking import schema

if TYPE_CHECKING:
    from swath.searching import SearchPlan

NODE = "search"
"""The settings of a search."""

OBJECTIVE_OF_DIRECTION = {"maximize": schema.VALIDATION_ACCURACY, "minimize": schema.VALIDATION_LOSS}
"""What the direction of Hydra's other sweepers means here."""


def is_search(base: DictConfig, overrides: Sequence[Override], files: ConfigFiles) -> bool:
    """Whether a sweep is a search: it has an interval, or something of a search is set.

    Args:
      base: composed config with Hydra's part.
      overrides: those of the command, and of `hydra.sweeper.params`.
      files: the files of the config.
    """
    return (
        any(override.is_sweep_override() and not override.is_discrete_sweep() for override in overrides)
        or any(str(override.key_or_group).startswith(f"{NODE}.") for override in overrides)
        or files.sets((NODE,))
        or _has_other_settings(base)
        or any(base.hydra.sweeper.get(name) is not None for name in ("n_trials", "direction", "sampler"))
    )


def _has_other_settings(base: DictConfig) -> bool:
    """Whether `search.*` differs from the defaults; mistakes of a config are said of each configuration."""
    try:
        return config_of(base).sweep.search != SEARCH_DEFAULTS
    except ConfigError:
        return False


def search_plan(
    base: DictConfig, composer: JobComposer, overrides: Sequence[Override], options: dict[str, list[str]]
) -> "SearchPlan":
    """The plan of a search.

    Args:
      base: composed config with Hydra's part.
      composer: composes the configuration of a proposal.
      overrides: those of `hydra.sweeper.params`, then those of the command.
      options: the names of the configs in each config group.

    Raises:
      ConfigError: the search has mistakes.
    """
    from swath.searching import conditions_of, plan_of

    settings = _settings(base)
    conditions = [override for _, _, override in conditions_of(settings)]
    mistakes = [line for each in conditions for line in override_mistakes(each, options)]
    if mistakes:
        raise ConfigError([f"search.when: {line}" for line in mistakes])
    task = [each for each in overrides if not str(each.key_or_group).startswith(f"{NODE}.")]
    last = {str(each.key_or_group): each for each in task}  # the last one counts
    held_back = 0
    if schema.VALIDATION_SIZE not in last and not config_of(base).train.data.validation_size:
        held_back = _a_tenth(base)
        last |= {schema.VALIDATION_SIZE: parse_overrides([f"{schema.VALIDATION_SIZE}={held_back}"])[0]}
    return replace(plan_of(list(last.values()), settings, composer, options), held_back=held_back)


def _a_tenth(base: DictConfig) -> int:
    """A tenth of the training images, which a search holds back if nobody says how many."""
    config = config_of(base)
    return spec_of(config.train.data.key, config.sweep.data.dir).train_images // 10


def _settings(base: DictConfig) -> SearchConfig:
    """`search.*`, completed by what Hydra's other sweepers call `n_trials`, `direction` and `sampler`.

    Raises:
      ConfigError: a value is none of a search.
    """
    settings, sweeper = config_of(base).sweep.search, base.hydra.sweeper
    if mistakes := list(_alias_mistakes(sweeper)):
        raise ConfigError(mistakes)
    if sweeper.get("n_trials") is not None and settings.trials is None:
        settings = replace(settings, trials=sweeper.n_trials)
    if sweeper.get("sampler") is not None and settings.sampler is None:
        settings = replace(settings, sampler=sweeper.sampler)
    if sweeper.get("direction") is not None:
        settings = replace(settings, objective=OBJECTIVE_OF_DIRECTION[sweeper.direction])
    return settings


def _alias_mistakes(sweeper: Any) -> Iterator[str]:
    """What is wrong with Hydra's names; one line each."""
    trials, direction, sampler = (sweeper.get(name) for name in ("n_trials", "direction", "sampler"))
    if trials is not None and not (type(trials) is int and trials > 0):
        yield f"hydra.sweeper.n_trials={trials}: expected a whole number of trials from 1 up"
    if direction is not None and direction not in OBJECTIVE_OF_DIRECTION:
        yield f"hydra.sweeper.direction={direction}: expected {' or '.join(OBJECTIVE_OF_DIRECTION)}"
    spec = FIELDS[f"{NODE}.sampler"]
    if sampler is not None and not spec.allows(sampler):
        yield f"hydra.sweeper.sampler={sampler}: {spec.refusal(sampler)}"
