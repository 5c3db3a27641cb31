"""What a store's client takes and gives, by MLflow's own names, for code that has not loaded MLflow."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Metric(NamedTuple):
    """A value of a metric; `timestamp` is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class RunInfo:
    """What MLflow's class of this name says of a run; times are in milliseconds since 1970."""

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str


@dataclass(frozen=True)
class RunData:
    """Params and tags of a run, and the last value of each metric."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    _metric_objs: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class RunInputs:
    """The data sets of a run."""

    dataset_inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run."""

    info: RunInfo
    data: RunData = field(default_factory=RunData)
    inputs: RunInputs = field(default_factory=RunInputs)


@dataclass(frozen=True)
class Experiment:
    """An experiment; `lifecycle_stage` is `active` or `deleted`."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str]
