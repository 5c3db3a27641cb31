"""Values that travel between the training process, the tracking process and the store's readers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swath.config import named_values

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class StoreAddress:
    """Where runs are kept.

    Attributes:
      uri: MLflow's tracking URI; None for what MLflow itself would choose in the working folder.
      experiment: name; made where it does not exist.
      artifacts: where a new experiment keeps its artifacts; None for the store's own choice.
    """

    uri: str | None
    experiment: str
    artifacts: str | None


@dataclass(frozen=True)
class StoreInfo:
    """The opened store, as far as a screen shows it: the address carries no password."""

    uri: str
    experiment_id: str


@dataclass(frozen=True)
class DatasetInfo:
    """The data set of a run, as MLflow's dataset input."""

    name: str
    digest: str
    source: str
    images: dict[str, int]


@dataclass(frozen=True)
class RunInfo:
    """Everything that is known of a run when it begins.

    Attributes:
      name: readable, `batch_size=100 learning_rate=1e-06 max_steps=1000`.
      params: the fields that decide the numbers, as text.
      tags: text.
      dataset: its images.
      config_yaml: text of the artifact of that name.
      overrides_yaml: text of the artifact of that name.
    """

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    dataset: DatasetInfo
    config_yaml: str
    overrides_yaml: str


@dataclass(frozen=True)
class MetricBatch:
    """Values of per-step metrics, at steps that are equally far apart.

    Attributes:
      first_step: the step of the first value.
      values: per metric name, float64 [n]
      every: steps from one value to the next.
    """

    first_step: int
    values: dict[str, NDArray[np.float64]]
    every: int = 1


@dataclass(frozen=True)
class RunArtifacts:
    """What a finished run has learned.

    Attributes:
      weights: float32 [3072, 10]
      biases: float32 [10]
      shift: float32 [3072], statistics of the preprocessing
      scale: float32 [3072] or None
      validation_predictions: uint8 [validation images]
      validation_labels: the same shape and type, the true classes
      test_predictions: uint8 [test images]
      test_labels: uint8 [test images]
      class_names: in the order of the labels
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32] | None
    validation_predictions: NDArray[np.uint8]
    validation_labels: NDArray[np.uint8]
    test_predictions: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes:
      status: MLflow's.
      metrics: values that the run has once.
      error: the reason of a failure, in one line.
      artifacts: where the run finished.
      tags: text.
      traceback: of a fault; kept as `traceback.txt`.
    """

    status: Status
    metrics: dict[str, float]
    error: str | None = None
    artifacts: RunArtifacts | None = None
    tags: dict[str, str] = field(default_factory=dict)
    traceback: str | None = None


STILL_RUNNING = "It is running, or was cut off."
"""What the description of a sweep says until it has ended."""


@dataclass(frozen=True)
class SweepDescription:
    """What is known of a sweep when it begins.

    Attributes:
      name: of its own run.
      sweep_id: unique per command.
      tags: text.
      note: its description, in Markdown.
      experiment_note: description of the experiment it is in, in Markdown.
      view: what MLflow's page shows of it, as that page keeps it.
      manifest: text of the artifact `manifest.json`.
    """

    name: str
    sweep_id: str
    tags: dict[str, str]
    note: str
    experiment_note: str
    view: str
    manifest: str


@dataclass(frozen=True)
class SweepSummary:
    """What has come of a sweep.

    Attributes:
      status: MLflow's.
      metrics: those of its best configuration, named `best/...`.
      tags: text.
      note: its description, in Markdown.
      experiment_note: description of the experiment it is in, in Markdown.
      ranking_csv: text of the artifact `ranking.csv`.
      view: what the page of the sweep shows, as JSON.
    """

    status: Status
    metrics: dict[str, float]
    tags: dict[str, str]
    note: str
    experiment_note: str
    ranking_csv: str
    view: str


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
