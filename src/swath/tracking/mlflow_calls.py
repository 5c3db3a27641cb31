"""Calls of MLflow's client: the experiment, a run's description, values in batches."""

import json
import time
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.mlflow_settings import NO_ANSWER
from swath.tracking.records import MetricBatch, RunInfo, StoreAddress


def is_away(error: Exception) -> bool:
    """Whether an error says that a server cannot be reached, or not at the moment."""
    return isinstance(error, MlflowException) and bool(NO_ANSWER.match(str(error)))


def experiment_id(client: MlflowClient, address: StoreAddress) -> str:
    """The id of the experiment that an address names; it is made where it does not exist.

    Raises:
      SwathError: it has been deleted, or keeps its artifacts elsewhere.
      MlflowException: the store cannot be used.
    """
    found = client.get_experiment_by_name(address.experiment)
    if found is None:
        try:
            made: str = client.create_experiment(
                address.experiment,
                artifact_location=address.artifacts,
                # The page opens on model training instead of on traces of language models.
                tags={schema.EXPERIMENT_KIND: "custom_model_development"},
            )
            return made
        except MlflowException:
            # Another process has made it in the meantime, or the store cannot be written.
            found = client.get_experiment_by_name(address.experiment)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise SwathError(
            f"the experiment {address.experiment!r} has been deleted in this store; restore it with: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}, or choose another: "
            "tracking.experiment=NAME"
        )
    if address.artifacts is not None and _resolved(address.artifacts) != _resolved(found.artifact_location):
        raise SwathError(
            f"the experiment {address.experiment!r} keeps its artifacts in {found.artifact_location}, "
            f"not in {address.artifacts}; leave tracking.artifacts out, or choose another: "
            "tracking.experiment=NAME"
        )
    existing: str = found.experiment_id
    return existing


def _resolved(location: str) -> str:
    if "://" in location and not location.startswith("file://"):
        return location.rstrip("/")
    return str(Path(location.removeprefix("file://")).resolve())


LARGEST_BATCH = 1_000
"""Metrics that MLflow takes in one call."""


def describe(client: MlflowClient, run_id: str, start: RunInfo) -> None:
    """Store a run's params and its data set; doing so again changes nothing."""
    client.log_batch(run_id, params=[Param(name, value) for name, value in start.params.items()])
    note = start.dataset
    dataset = Dataset(
        name=note.name,
        digest=note.digest[:32],
        source_type="swath",
        source=json.dumps({"source": note.source}),
        profile=json.dumps({**note.images, "sha256": note.digest}),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(schema.DATA_CONTEXT, "training")])])


def log_in_batches(client: MlflowClient, run_id: str, block: MetricBatch) -> None:
    """Store values of per-step metrics by MLflow's own call."""
    now_ms = time.time_ns() // 1_000_000
    metrics = [
        Metric(name, float(value), now_ms, block.first_step + offset * block.every)
        for name, values in block.values.items()
        for offset, value in enumerate(values)
    ]
    for first in range(0, len(metrics), LARGEST_BATCH):
        client.log_batch(run_id, metrics[first : first + LARGEST_BATCH])
