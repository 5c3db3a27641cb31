"""What lies in a spool brought to the server that it was meant for, run by run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path

from swath.tracking import schema
from swath.tracking.mlflow_calls import LARGEST_BATCH, is_away
from swath.tracking.mlflow_settings import one_line
from swath.tracking.offline import SERVER_RUN_ID, offline_folder
from swath.tracking.provenance import is_alive
from swath.tracking.records import StoredRun
from swath.tracking.resumed_run import last_steps
from swath.tracking.sql_reader import SqlReader
from swath.tracking.ui_urls import SHARED_VIEW_TAG

OFFLINE_RUN_ID = schema.OFFLINE_RUN_ID
"""Tag of a run at the server: the id that it had in the spool, by which a second delivery finds it."""


def sync_all(client: MlflowClient, uri: str, experiment_id: str, own: Path | None) -> tuple[int, list[str]]:
    """Deliver every spool of an experiment whose process is no more.

    Args:
      client: of the server.
      uri: of the server.
      experiment_id: of the experiment.
      own: the spool of this process, which is delivered too.

    Returns:
      How many runs were delivered, and a line for each spool that the server does not take; those stay.

    Raises:
      MlflowException: the server is away; what has not been delivered stays.
    """
    delivered, faults = 0, []
    for database in sorted(offline_folder(uri, experiment_id).glob("*/mlflow.db")):
        try:
            delivered += _deliver_spool(client, experiment_id, database, database.parent == own)
        except Exception as error:
            if is_away(error):
                raise
            faults.append(f"{database.parent}: {one_line(error, uri)}")
    return delivered, faults


def _deliver_spool(client: MlflowClient, experiment_id: str, database: Path, is_own: bool) -> int:
    """Deliver one spool, and remove it; returns how many runs there were; 0 where a process is at it."""
    reader = SqlReader(f"sqlite:///{database}")
    runs = reader.runs({schema.SWEEP_ID: None})
    if not is_own and any(is_alive(run.tags) for run in runs):
        return 0
    spool = MlflowClient(tracking_uri=f"sqlite:///{database}")
    for run in runs:
        _deliver(client, experiment_id, spool, reader, run)
    _hand_views_on(client, experiment_id, spool, runs)
    shutil.rmtree(database.parent)
    return len(runs)


def _deliver(
    client: MlflowClient, experiment_id: str, spool: MlflowClient, reader: SqlReader, run: StoredRun
) -> None:
    """Bring one run up to what the spool has of it; doing so again changes nothing."""
    target = _target(client, experiment_id, run)
    if target is None:
        target = client.create_run(
            experiment_id,
            start_time=run.start_ms,
            run_name=run.name,
            tags={**run.tags, OFFLINE_RUN_ID: run.run_id},
        ).info.run_id
    there = client.get_run(target)
    tags = {name: value for name, value in run.tags.items() if name != SERVER_RUN_ID}
    client.log_batch(
        target,
        params=[Param(name, value) for name, value in run.params.items() if name not in there.data.params],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    inputs = spool.get_run(run.run_id).inputs
    known = there.inputs
    if inputs and inputs.dataset_inputs and not (known and known.dataset_inputs):
        client.log_inputs(target, inputs.dataset_inputs)
    metrics = list(_metrics(reader, run, last_steps(there)))
    for first in range(0, len(metrics), LARGEST_BATCH):
        client.log_batch(target, metrics[first : first + LARGEST_BATCH])
    files = Path(local_file_uri_to_path(run.artifact_uri))
    if files.is_dir():
        client.log_artifacts(target, str(files))
    status = run.status if run.status != "RUNNING" else "KILLED"
    client.set_terminated(target, status, run.end_ms)


def _target(client: MlflowClient, experiment_id: str, run: StoredRun) -> str | None:
    """The run at the server that a run of a spool continues, or has been made into before."""
    if known := run.tags.get(SERVER_RUN_ID):
        return known
    made = client.search_runs([experiment_id], f"tags.`{OFFLINE_RUN_ID}` = '{run.run_id}'", max_results=1)
    return str(made[0].info.run_id) if made else None


def _metrics(reader: SqlReader, run: StoredRun, last: dict[str, int]) -> Iterator[Metric]:
    timestamp_ms = run.end_ms or run.start_ms
    for curve in reader.curves([run.run_id], list(run.metrics)):
        for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
            if step > last.get(curve.metric, -1):
                yield Metric(curve.metric, value, timestamp_ms, step)


def _hand_views_on(
    client: MlflowClient, experiment_id: str, spool: MlflowClient, runs: list[StoredRun]
) -> None:
    """Tell the server what its page shall show of a sweep."""
    for experiment in {run.experiment_id for run in runs}:
        for name, value in spool.get_experiment(experiment).tags.items():
            if name.startswith(SHARED_VIEW_TAG):
                client.set_experiment_tag(experiment_id, name, value)
