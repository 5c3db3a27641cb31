"""What is read back from a store. Arrays and plain values only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from swath.config.fields import named_values


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it.

    Attributes:
      run_id: MLflow's.
      experiment_id: MLflow's.
      name: as it was given.
      status: `FINISHED`, `FAILED`, `KILLED`, `RUNNING` or `SCHEDULED`.
      start_ms: milliseconds since 1970.
      end_ms: the same; None while it runs.
      artifact_uri: where its files are.
      params: by name.
      metrics: the last value of each, by name.
      tags: by name.
      last_steps: the step of the last value of each metric, by name.
      store: the address of a tracking server, through which files are had; empty for other stores.
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
        """The run by what it has in some fields; its own name where it has none of them."""
        return named_values(self.params, fields) or self.name


@dataclass(frozen=True)
class Curve:
    """A per-step metric of a run.

    Attributes:
      run_id: of the run.
      metric: its name.
      steps: int64 [n], ascending.
      values: float64 [n]
    """

    run_id: str
    metric: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
