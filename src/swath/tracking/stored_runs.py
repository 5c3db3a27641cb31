"""Runs and curves as they are read from a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from swath.config import HEADLINE, TrainConfig, completed, named_values
from swath.tracking import schema

OPEN_STATUSES = ("RUNNING", "SCHEDULED")
"""MLflow's statuses of runs that have not ended."""


@dataclass(frozen=True)
class StoredRun:
    """A run read from a store.

    Attributes:
      run_id: MLflow's id of the run.
      experiment_id: MLflow's id of the experiment.
      name: name of the run.
      status: `FINISHED`, `FAILED`, `KILLED`, `RUNNING` or `SCHEDULED`.
      start_ms: start in milliseconds since 1970.
      end_ms: end in milliseconds since 1970; None while the run is running.
      artifact_uri: location of the files.
      params: value of each param.
      metrics: last value of each metric.
      tags: value of each tag.
      last_steps: step of the last value of each metric.
      store: address of the tracking server that files are downloaded from; empty for other stores.
    """

    run_id: str
    experiment_id: str
    name: str
    status: str
    start_ms: int
    end_ms: int | None
    artifact_uri: str
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    last_steps: dict[str, int] = field(default_factory=dict)
    store: str = field(default="", repr=False)

    def named_by(self, fields: Sequence[str]) -> str:
        """The params among `fields` as `name=value` pairs; if it has none, `HEADLINE`, or the run's name."""
        return named_values(self.params, fields) or named_values(self.params, HEADLINE) or self.name


def complete_params(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """Params of a run, with the values of fields that did not exist when it was stored.

    Args:
      params: as stored, without logarithms; empty if the run was killed before it was described.
      tags: those of the run; params of another program's run are left alone.
    """
    return completed(TrainConfig, params) if params and schema.FINGERPRINT in tags else dict(params)


@dataclass(frozen=True)
class Curve:
    """A per-step metric of a run.

    Attributes:
      run_id: id of the run.
      metric: name of the metric.
      steps: int64 [n], ascending.
      values: float64 [n]
    """

    run_id: str
    metric: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
