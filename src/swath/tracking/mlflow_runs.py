"""Experiments and runs through the client of a store."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from swath.errors import SwathError, UsageError
from swath.tracking import schema
from swath.tracking.address import StoreAddress
from swath.tracking.client import AnyRun, Client, mlflow_client
from swath.tracking.entities import Experiment, Metric
from swath.tracking.format import former_names
from swath.tracking.mlflow_setup import database_file
from swath.tracking.run_records import MetricBatch, RunInfo
from swath.tracking.sql_client import SqlClient, now_ms
from swath.tracking.stored_runs import StoredRun

if TYPE_CHECKING:
    from mlflow.entities import Experiment as MlflowExperiment
    from mlflow.entities import RunTag
    from mlflow.tracking import MlflowClient

LARGEST_BATCH = 1_000
"""Most metrics that MLflow accepts in one call."""


END_TAGS = (schema.ERROR, schema.BITS, schema.FILES, schema.TRAIN_ACCURACY_TAG)
"""Tags that are set when a run ends by itself."""


def experiment_id(client: Client, address: StoreAddress) -> str:
    """The id of the experiment of an address; the experiment is created if it does not exist.

    Raises:
      UsageError: the experiment has been deleted, or its artifact location is another one.
      MlflowException: the store cannot be used.
    """
    found = _experiment(client, address)
    database = database_file(client.tracking_uri)
    home = {} if database is None else {schema.DATABASE: str(database)}
    if found is None:
        # The page opens on model training instead of on traces of language models.
        tags = {schema.EXPERIMENT_KIND: "custom_model_development", **home}
        try:
            return _create_experiment(client, address, tags)
        except Exception:
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


def _experiment(client: Client, address: StoreAddress) -> "Experiment | MlflowExperiment | None":
    if address.experiment_id is None:
        return client.get_experiment_by_name(address.experiment)
    missing = UsageError(
        f"MLFLOW_EXPERIMENT_ID={address.experiment_id}: the store has no such experiment; unset it, "
        "or choose one by its name: tracking.experiment=NAME"
    )
    if isinstance(client, SqlClient):
        try:
            return client.get_experiment(address.experiment_id)
        except SwathError as error:
            raise missing from error
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(address.experiment_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise missing from error


def _create_experiment(client: Client, address: StoreAddress, tags: dict[str, str]) -> str:
    """Create an experiment; MLflow chooses the place of its files, unless it is beside the database."""
    if isinstance(client, SqlClient) and client.artifact_root_uri and address.artifacts is None:
        return client.create_experiment(address.experiment, tags)
    created: str = mlflow_client(client).create_experiment(
        address.experiment, artifact_location=address.artifacts, tags=tags
    )
    return created


def _resolved(location: str) -> str:
    if "://" in location and not location.startswith("file://"):
        return location.rstrip("/")
    return str(Path(location.removeprefix("file://")).resolve())


@dataclass(frozen=True)
class RunDataset:
    """The data set of a run as MLflow describes it; see its class `Dataset`."""

    name: str
    digest: str
    source_type: str
    source: str
    profile: str


USE_OF_DATASET = {schema.DATA_CONTEXT: "training"}
"""Tags of the use of a run's data set."""


def dataset_of(info: RunInfo) -> RunDataset:
    """The data set of a run."""
    return RunDataset(
        name=info.dataset.name,
        digest=info.dataset.digest[:32],
        source_type="swath",
        source=json.dumps({"source": info.dataset.source}),
        profile=json.dumps({**info.dataset.images, "sha256": info.dataset.digest}),
    )


def describe(client: "MlflowClient", run_id: str, info: RunInfo) -> None:
    """Log a run's params and its data set. Logging them twice changes nothing."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    client.log_batch(run_id, params=[Param(*entry) for entry in schema.with_logarithms(info.params).items()])
    tags = [InputTag(*tag) for tag in USE_OF_DATASET.items()]
    client.log_inputs(run_id, [DatasetInput(Dataset(**asdict(dataset_of(info))), tags)])


def log(
    client: Client,
    run_id: str,
    metrics: Sequence[Metric] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Add values of metrics to a run, and set tags."""
    if isinstance(client, SqlClient):
        client.log_batch(run_id, metrics, tags)
        return
    from mlflow.entities import Metric as LoggedMetric

    client.log_batch(run_id, [LoggedMetric(*metric) for metric in metrics], tags=run_tags(tags))


def log_in_batches(
    client: Client,
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
        log(client, run_id, part)
    if last or tags:
        log(client, run_id, last, tags)


def stored_run(run: AnyRun) -> StoredRun:
    """Where a run of MLflow's client keeps its files, and its tags."""
    return StoredRun(run.info.run_id, "", "", "", 0, None, run.info.artifact_uri, tags=run.data.tags)


def steps_from(run: AnyRun) -> int | None:
    """The time of step 0 in a run whose step n is stored with the time n ms later, in ms since 1970.

    None for runs of earlier versions, and of stores that can fence: the time is that of storing.
    """
    start_ms: int = run.info.start_time
    return start_ms if run.data.tags.get(schema.STEP_TIMES) == schema.FROM_START else None


def run_tags(tags: Mapping[str, str]) -> "list[RunTag]":
    """Tags as MLflow's entities."""
    from mlflow.entities import RunTag

    return [RunTag(name, value) for name, value in tags.items()]


def reopened(run: AnyRun, info: RunInfo, common_tags: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags of an interrupted run that goes on, and the names of those that it loses.

    Params and data set are kept. The tags are those of the process that trains it now.
    """
    resumed = int(run.data.tags.get(schema.RESUMED, "0")) + 1
    others = () if schema.RUN_LOT in info.tags else (schema.RUN_LOT, schema.LOTS_ARITHMETIC)
    gone = [*END_TAGS, *former_names(schema.FILES), *others]
    return {**common_tags, **info.tags, schema.RESUMED: str(resumed)}, gone


def reopen(client: Client, run: AnyRun, tags: Mapping[str, str], gone: Sequence[str]) -> None:
    """Set an interrupted run to RUNNING through MLflow's own calls."""
    run_id = run.info.run_id
    log(client, run_id, tags=tags)
    client.update_run(run_id, status="RUNNING")  # after the tags: `close_stale` must not see a dead process
    for name in gone:
        if name in run.data.tags:
            client.delete_tag(run_id, name)


def last_steps(run: AnyRun) -> dict[str, int]:
    """The last stored step of each metric of a run."""
    return {metric.key: metric.step for metric in run.data._metric_objs}
