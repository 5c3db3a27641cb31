"""Experiments and runs through MLflow's client."""

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.errors import UsageError
from swath.tracking import schema
from swath.tracking.address import StoreAddress
from swath.tracking.format import former_names
from swath.tracking.mlflow_setup import database_file
from swath.tracking.run_records import MetricBatch, RunInfo
from swath.tracking.stored_runs import StoredRun

LARGEST_BATCH = 1_000
"""Most metrics that MLflow accepts in one call."""


END_TAGS = (schema.ERROR, schema.BITS, schema.FILES, schema.TRAIN_ACCURACY_TAG)
"""Tags that are set when a run ends by itself."""


def experiment_id(client: MlflowClient, address: StoreAddress) -> str:
    """The id of the experiment of an address; the experiment is created if it does not exist.

    Raises:
      UsageError: the experiment has been deleted, or its artifact location is another one.
      MlflowException: the store cannot be used.
    """
    if address.experiment_id is None:
        found = client.get_experiment_by_name(address.experiment)
    else:
        try:
            found = client.get_experiment(address.experiment_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise UsageError(
                f"MLFLOW_EXPERIMENT_ID={address.experiment_id}: the store has no such experiment; unset it, "
                "or choose one by its name: tracking.experiment=NAME"
            ) from error
    database = database_file(client.tracking_uri)
    home = {} if database is None else {schema.DATABASE: str(database)}
    if found is None:
        try:
            created: str = client.create_experiment(
                address.experiment,
                artifact_location=address.artifacts,
                # The page opens on model training instead of on traces of language models.
                tags={schema.EXPERIMENT_KIND: "custom_model_development", **home},
            )
            return created
        except MlflowException:
            # Another process has created it meanwhile, or the store is not writable.
            found = client.get_experiment_by_name(address.experiment)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UsageError(
            f"the experiment {address.experiment!r} has been deleted in this store; restore it with: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}, or choose another: "
            "tracking.experiment=NAME"
        )
    if address.artifacts is not None and _resolved(address.artifacts) != _resolved(found.artifact_location):
        raise UsageError(
            f"the experiment {address.experiment!r} keeps its artifacts in {found.artifact_location}, "
            f"not in {address.artifacts}; leave tracking.artifact_location out, or choose another: "
            "tracking.experiment=NAME"
        )
    existing: str = found.experiment_id
    for name, value in home.items():
        if found.tags.get(name) != value:
            client.set_experiment_tag(existing, name, value)
    return existing


def _resolved(location: str) -> str:
    if "://" in location and not location.startswith("file://"):
        return location.rstrip("/")
    return str(Path(location.removeprefix("file://")).resolve())


def described_dataset(info: RunInfo) -> tuple[Dataset, dict[str, str]]:
    """The data set of a run, and the tags of its use."""
    dataset = Dataset(
        name=info.dataset.name,
        digest=info.dataset.digest[:32],
        source_type="swath",
        source=json.dumps({"source": info.dataset.source}),
        profile=json.dumps({**info.dataset.images, "sha256": info.dataset.digest}),
    )
    return dataset, {schema.DATA_CONTEXT: "training"}


def describe(client: MlflowClient, run_id: str, info: RunInfo) -> None:
    """Log a run's params and its data set. Logging them twice changes nothing."""
    client.log_batch(run_id, params=[Param(*entry) for entry in schema.with_logarithms(info.params).items()])
    dataset, tags = described_dataset(info)
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(*tag) for tag in tags.items()])])


def log_in_batches(
    client: MlflowClient,
    run_id: str,
    batches: Sequence[MetricBatch],
    steps_from_ms: int | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Log values of per-step metrics through MLflow's own call.

    Args:
      client: client of the store.
      run_id: MLflow's id of the run.
      batches: the values.
      steps_from_ms: see `steps_from`.
      tags: tags that are set with the last values.
    """
    stored_ms = now_ms()
    metrics = [
        Metric(name, value, stored_ms if steps_from_ms is None else steps_from_ms + step, step)
        for batch in batches
        for name, values in batch.values.items()
        for step, value in zip(itertools.count(batch.first_step, batch.every), values.tolist(), strict=False)
    ]
    most = LARGEST_BATCH - len(tags)  # tags count too
    parts = [metrics[first : first + most] for first in range(0, len(metrics), most)]
    last = parts.pop() if parts else []
    for part in parts:
        client.log_batch(run_id, part)
    if last or tags:
        client.log_batch(run_id, last, tags=run_tags(tags))


def stored_run(run: Run) -> StoredRun:
    """Where a run of MLflow's client keeps its files, and its tags."""
    return StoredRun(run.info.run_id, "", "", "", 0, None, run.info.artifact_uri, tags=run.data.tags)


def steps_from(run: Run) -> int | None:
    """The time of step 0 in a run whose step n is stored with the time n ms later, in ms since 1970.

    None for runs of earlier versions, and of stores that can fence: the time is that of storing.
    """
    start_ms: int = run.info.start_time
    return start_ms if run.data.tags.get(schema.STEP_TIMES) == schema.FROM_START else None


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    """Tags as MLflow's entities."""
    return [RunTag(name, value) for name, value in tags.items()]


def set_tag(uri: str, run_id: str, name: str, value: str) -> None:
    """Set a tag of a run of the store at `uri`."""
    MlflowClient(tracking_uri=uri).set_tag(run_id, name, value)


def reopened(run: Run, info: RunInfo, common_tags: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags of an interrupted run that goes on, and the names of those that it loses.

    Params and data set are kept. The tags are those of the process that trains it now.
    """
    resumed = int(run.data.tags.get(schema.RESUMED, "0")) + 1
    others = () if schema.RUN_LOT in info.tags else (schema.RUN_LOT, schema.LOTS_ARITHMETIC)
    gone = [*END_TAGS, *former_names(schema.FILES), *others]
    return {**common_tags, **info.tags, schema.RESUMED: str(resumed)}, gone


def reopen(client: MlflowClient, run: Run, tags: Mapping[str, str], gone: Sequence[str]) -> None:
    """Set an interrupted run to RUNNING through MLflow's own calls."""
    run_id = run.info.run_id
    client.log_batch(run_id, tags=run_tags(tags))
    client.update_run(run_id, status="RUNNING")  # after the tags: `close_stale` must not see a dead process
    for name in gone:
        if name in run.data.tags:
            client.delete_tag(run_id, name)


def last_steps(run: Run) -> dict[str, int]:
    """The last stored step of each metric of a run."""
    return {metric.key: metric.step for metric in run.data._metric_objs}
