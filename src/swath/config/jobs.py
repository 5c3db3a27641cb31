"""The configurations of many jobs, made of configs that are composed once."""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from swath.config.compose import compose_config, flat_values, parent_of
from swath.config.hydra_errors import one_line
from swath.config.job_config import JobConfig, build_job, rebuilt_job
from swath.config.overrides import literal_values, parse_overrides, typed_value
from swath.config.schema import FIELDS
from swath.errors import ConfigError


class _Line(NamedTuple):
    """One override: a field that is set to a value; or something that has to be composed (field None)."""

    override: Override
    field: str | None
    value: Any
    interpolation: bool


@dataclass
class _Base:
    """A composed config of which jobs are made by setting fields.

    Attributes:
      config: with Hydra's part; holds the fields of the latest job.
      values: of the fields as composed, converted; None if some refer to others.
      changed: fields that the latest job has set, and their nodes as composed.
      built: the job that was built last, and the values that it has set; None before the first one.
    """

    config: DictConfig
    values: dict[str, Any] | None
    changed: dict[str, Any] = dataclasses.field(default_factory=dict)
    built: tuple[JobConfig, dict[str, Any]] | None = None


_ABSENT = object()


class JobComposer:
    """The configurations of jobs of one primary config, each composed once.

    Overrides that set a field are applied to a config that was composed before; Hydra composes only once for
    each combination of the other overrides, such as config groups.
    """

    def __init__(self, config_name: str, common: Sequence[str]) -> None:
        """Prepare for jobs.

        Args:
          config_name: the primary config.
          common: overrides of Hydra's part that hold for all jobs.
        """
        self._config_name = config_name
        self._common = list(common)
        self._line = cache(_read_line)
        self._base = cache(self._compose_base)
        self._jobs: dict[tuple[str, ...], JobConfig] = {}
        self._first: DictConfig | None = None

    def job(self, overrides: Sequence[str]) -> JobConfig:
        """The checked configurations of one job.

        Raises:
          ConfigError: with every mistake in it.
        """
        key = tuple(overrides)
        if key not in self._jobs:
            self._jobs[key] = self._build(key)
        return self._jobs[key]

    def composed(self, overrides: Sequence[str]) -> DictConfig:
        """What Hydra composes for a job, with Hydra's part; the next call may change it.

        Raises:
          ConfigError: Hydra refuses it.
        """
        lines = [self._line(text) for text in overrides]
        base = self._base(tuple(text for text, line in zip(overrides, lines, strict=True) if not line.field))
        config = base.config
        fields = {line.field: line.override.value() for line in lines if line.field}
        try:
            with read_write(config):
                for field in [field for field in base.changed if field not in fields]:
                    parent, leaf = parent_of(config, field)
                    parent._set_item_impl(leaf, base.changed.pop(field))
                for field, value in fields.items():
                    if field not in base.changed:
                        parent, leaf = parent_of(config, field)
                        base.changed[field] = copy.deepcopy(parent._get_node(leaf))
                    OmegaConf.update(config, field, value, merge=True)
                self._describe(config, [line.override for line in lines])
        except OmegaConfBaseException as error:
            raise ConfigError([one_line(error)]) from error
        return config

    def _describe(self, config: DictConfig, overrides: Sequence[Override]) -> None:
        """Set what Hydra's part of a config says of the job's overrides."""
        task = [override for override in overrides if not override.is_hydra_override()]
        naming = config.hydra.job.config.override_dirname
        OmegaConf.set_readonly(config.hydra, None)
        config.hydra.overrides.task = [override.input_line for override in task]
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=task,
            kv_sep=naming.kv_sep,
            item_sep=naming.item_sep,
            exclude_keys=naming.exclude_keys,
        )

    def _build(self, overrides: tuple[str, ...]) -> JobConfig:
        lines = [self._line(text) for text in overrides]
        base = self._base(
            tuple([text for text, line in zip(overrides, lines, strict=True) if not line.field])
        )
        if base.values is None or any(line.interpolation for line in lines):
            return build_job(flat_values(self.composed(overrides)))
        given = {line.field: line.value for line in lines if line.field}
        values = base.values | given
        if base.built is None:
            job = build_job(values)
        else:
            before, had = base.built
            # Each override is read once, so a value that two jobs have is the same object.
            changed = [name for name in had | given if had.get(name, _ABSENT) is not given.get(name, _ABSENT)]
            job = rebuilt_job(before, values, changed)
        base.built = job, given
        return job

    def _compose_base(self, overrides: tuple[str, ...]) -> _Base:
        config = compose_config(self._config_name, [*self._common, *overrides])
        if self._first is None:
            self._first = config
        OmegaConf.copy_cache(from_config=self._first, to_config=config)  # ${now:...} is equal in all jobs
        return _Base(config, None if _has_interpolation(config) else flat_values(config))


def _read_line(text: str) -> _Line:
    (override,) = parse_overrides([text])
    key = override.key_or_group
    if key not in FIELDS or override.package is not None or not _sets_a_value(override):
        return _Line(override, None, None, "${" in text)
    (value,) = literal_values(override)
    if isinstance(value, str) and "${" in value:
        return _Line(override, key, None, True)
    try:
        return _Line(override, key, typed_value(key, value), False)
    except OmegaConfBaseException:
        return _Line(override, None, None, False)  # Hydra refuses it, with its own message


def _sets_a_value(override: Override) -> bool:
    return override.type is OverrideType.CHANGE and not override.is_sweep_override()


def _has_interpolation(node: DictConfig) -> bool:
    return any(
        OmegaConf.is_interpolation(node, str(key))
        or (OmegaConf.is_dict(node[key]) and _has_interpolation(node[key]))
        for key in node
        if key != "hydra"
    )
