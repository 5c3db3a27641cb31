"""What one composed config holds: both kinds of configuration, checked together."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from swath.config.schema import FIELDS, build, rebuilt
from swath.config.sweep_config import SweepConfig
from swath.config.train_config import TrainConfig
from swath.datasets import DATASETS, spec_of
from swath.errors import ConfigError, DataError


@dataclass(frozen=True)
class JobConfig:
    """What one composed config holds.

    Attributes:
      train: what the run computes.
      sweep: how the command is carried out.

    Raises:
      ConfigError: one's own images are not where they should be, or too few; one line.
    """

    train: TrainConfig
    sweep: SweepConfig

    def __post_init__(self) -> None:
        if self.train.data.name in DATASETS:
            return
        try:
            mistakes = self.train.size_mistakes(spec_of(self.train.data.key, self.sweep.data.dir))
        except DataError as error:
            mistakes = [str(error)]
        if mistakes:
            raise ConfigError(mistakes)


def build_job(values: Mapping[str, Any]) -> JobConfig:
    """The two configurations that values describe.

    Args:
      values: of every field, by dotted name, of the declared types.

    Raises:
      ConfigError: values are out of range; those of both configurations are reported together.
    """
    mistakes: list[str] = []
    built: list[Any] = []
    for schema in (TrainConfig, SweepConfig):
        try:
            built.append(build(schema, values))
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return JobConfig(*built)


def rebuilt_job(job: JobConfig, values: Mapping[str, Any], changed: Collection[str]) -> JobConfig:
    """The same as `build_job`, made of a job that has most of these values.

    Args:
      job: another job.
      values: see `build_job`.
      changed: dotted names of the fields whose values differ from those of `job`.

    Raises:
      ConfigError: see `build_job`.
    """
    if any(FIELDS[name].scope == "sweep" for name in changed):
        return build_job(values)
    return JobConfig(rebuilt(job.train, values, changed), job.sweep)
