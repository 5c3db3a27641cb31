"""What is said to MLflow's client about a run, in MLflow's words."""

import json
import time

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.tracking import MlflowClient

from swath.tracking.records import RunStart, StepBlock

LARGEST_BATCH = 1_000
"""Metrics that MLflow takes in one call."""


def describe(client: MlflowClient, run_id: str, start: RunStart) -> None:
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
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_in_batches(client: MlflowClient, run_id: str, block: StepBlock) -> None:
    """Store values of per-step metrics by MLflow's own call."""
    now_ms = time.time_ns() // 1_000_000
    metrics = [
        Metric(name, float(value), now_ms, block.first_step + offset * block.every)
        for name, values in block.values.items()
        for offset, value in enumerate(values)
    ]
    for first in range(0, len(metrics), LARGEST_BATCH):
        client.log_batch(run_id, metrics[first : first + LARGEST_BATCH])
