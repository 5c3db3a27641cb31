"""Configurations of a sweep's jobs, composed as few times as possible."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from swath.app.composing import build_config, compose_config, flat_values
from swath.app.mistakes import FIELDS, literal_values, parse_overrides, typed_value
from swath.config.schema import RunConfig


class _Line(NamedTuple):
    """One override of a job: a field and its typed value; or something that has to be composed."""

    field: str | None
    value: Any
    interpolation: bool


class JobComposer:
    """The configurations of jobs of one primary config.

    Overrides that only set a field to a literal are applied to a config that was composed once. Composed in
    full is what that would get wrong: config groups, once for each combination of them, and every job with
    an interpolation in it, whose value may depend on any other field.
    """

    def __init__(self, config_name: str, common: Sequence[str]) -> None:
        """Prepare for jobs.

        Args:
          config_name: the primary config.
          common: overrides that hold for all jobs.
        """
        self._config_name = config_name
        self._common = list(common)
        self._line = cache(_read_line)
        self._composed = cache(self._compose)

    def config(self, overrides: Sequence[str]) -> RunConfig:
        """The checked configuration of one job.

        Raises:
          ConfigError: with every mistake in it.
        """
        lines = {text: self._line(text) for text in overrides}
        groups = tuple(text for text, line in lines.items() if line.field is None)
        if any(line.interpolation for line in lines.values()):
            return build_config(self._compose(tuple(overrides))[0])
        values, interpolated = self._composed(groups)
        if interpolated:
            return build_config(self._compose(tuple(overrides))[0])
        return build_config(values | {line.field: line.value for line in lines.values() if line.field})

    def _compose(self, overrides: tuple[str, ...]) -> tuple[dict[str, Any], bool]:
        composed = compose_config(self._config_name, [*self._common, *overrides])
        return flat_values(composed), _has_interpolation(composed)


def _read_line(text: str) -> _Line:
    (override,) = parse_overrides([text])
    key = override.key_or_group
    if key not in FIELDS or override.package is not None:
        return _Line(None, None, "${" in text)
    (value,) = literal_values(override)
    if isinstance(value, str) and "${" in value:
        return _Line(None, None, True)
    return _Line(key, typed_value(key, value), False)


def _has_interpolation(node: DictConfig) -> bool:
    return any(
        OmegaConf.is_interpolation(node, str(key))
        or (OmegaConf.is_dict(node[key]) and _has_interpolation(node[key]))
        for key in node
        if key != "hydra"
    )
