"""Offline runs: a local store that replaces an unreachable store, and its synchronisation.

An offline folder is an MLflow store of its own, so that it can be viewed, and copied run by run.
"""

import hashlib
import logging
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import BaseFileLock, FileLock, Timeout

from swath.system import cache_folder, hide_password
from swath.tracking import schema
from swath.tracking.address import StoreAddress, StoreInfo, SyncResult
from swath.tracking.client import Client, mlflow_client
from swath.tracking.locations import local_path, location_of
from swath.tracking.mlflow_runs import LARGEST_BATCH, last_steps, run_tags, steps_from
from swath.tracking.mlflow_setup import (
    DEFAULT_FILE,
    database_file,
    enable_retries,
    error_line,
    is_unreachable,
    sqlite_uri,
)
from swath.tracking.patience import be_patient
from swath.tracking.provenance import is_alive
from swath.tracking.run_records import MetricBatch, RunInfo, RunSummary, Status
from swath.tracking.sql_reader import SqlReader
from swath.tracking.sql_steps import sql_steps
from swath.tracking.store import RunStore
from swath.tracking.stored_runs import StoredRun
from swath.tracking.summary_run import FindBest
from swath.tracking.sweep_records import SweepDescription, SweepSummary

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

_log = logging.getLogger("swath")


T = TypeVar("T")


def offline_folders(uri: str, experiment_id: str) -> Path:
    """The folder with the offline folders of an experiment of a store, one for each command."""
    database = database_file(uri)
    address = hide_password(uri, uri) if database is None else sqlite_uri(database.resolve())
    store = hashlib.sha256(f"{address} {experiment_id}".encode()).hexdigest()[:16]
    return cache_folder() / "spool" / store


@dataclass
class _Started:
    """Runs and sweep of a command that have been started, each with its id in the store if it has one."""

    runs: dict[int, tuple[RunInfo, str | None]] = field(default_factory=dict)
    sweep: tuple[SweepDescription, str | None] | None = None


class _OfflineStore(RunStore):
    """A local store in which a run of the store is continued as soon as something of it is logged."""

    def __init__(self, started: _Started, find_best: FindBest | None) -> None:
        super().__init__(find_best)
        self._started = started

    def start_run(self, key: int, info: RunInfo, run_id: str | None = None) -> str:
        tags = {} if run_id is None else {schema.SERVER_RUN_ID: run_id}
        offline_id = super().start_run(key, replace(info, tags={**info.tags, **tags}))
        return run_id or offline_id

    def log_steps_of_many(self, calls: Sequence[tuple[int, MetricBatch]]) -> None:
        for key, _ in calls:
            self._continue_run(key)
        super().log_steps_of_many(calls)

    def end_run(self, key: int, summary: RunSummary) -> float:
        self._continue_run(key)
        return super().end_run(key, summary)

    def _continue_run(self, key: int) -> None:
        if not self.has_run(key):
            self.start_run(key, *self._started.runs[key])

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> str:
        tags = {} if run_id is None else {schema.SERVER_RUN_ID: run_id}
        offline_id = super().start_sweep(replace(description, tags={**description.tags, **tags}))
        return run_id or offline_id

    def end_sweep(self, summary: SweepSummary) -> None:
        if not self.has_sweep and self._started.sweep is not None:
            self.start_sweep(*self._started.sweep)
        super().end_sweep(summary)


class OfflineFallbackStore:
    """A `RunStore` that continues in an offline folder once a server or a database is unreachable.

    Attributes:
      unreachable: why the store cannot be reached; None while it can.
      folder: the offline folder; None if there is none.
    """

    def __init__(self, find_best: FindBest | None = None) -> None:
        self._find_best = find_best
        self._main = RunStore(find_best)
        self._offline: _OfflineStore | None = None
        self._started = _Started()
        self._one_at_a_time = threading.Lock()  # runs of a server are stored side by side
        self._writing: BaseFileLock | None = None  # held until this store is closed
        self.folder: Path | None = None
        self.unreachable: str | None = None

    @property
    def main(self) -> RunStore:
        """The store itself, without the offline runs."""
        return self._main

    @property
    def uri(self) -> str:
        """Address of the opened store, including its password if it has one."""
        return self._main.uri

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the experiment."""
        return self._main.experiment_id

    def open(self, address: StoreAddress) -> StoreInfo:
        """See `TrackingService`."""
        info = self._main.open(address)
        enable_retries()
        be_patient(self._main.client)
        return info

    def start_run(self, key: int, info: RunInfo, run_id: str | None = None) -> str:
        """See `TrackingService`."""
        self._started.runs[key] = info, run_id

        def start(store: RunStore) -> str:
            # It may have been created before the store became unreachable.
            started = store.start_run(key, info, run_id or self._main.id_of(key))
            if store is self._main:
                self._started.runs[key] = info, started
            return started

        return self._with_fallback(start)

    def log_steps(self, key: int, batch: MetricBatch) -> None:
        """See `TrackingService`."""
        self._with_fallback(lambda store: store.log_steps(key, batch))

    def log_steps_of_many(self, calls: Sequence[tuple[int, MetricBatch]]) -> None:
        """See `RunStore`."""
        self._with_fallback(lambda store: store.log_steps_of_many(calls))

    def end_run(self, key: int, summary: RunSummary) -> float:
        """See `TrackingService`."""
        tracked_s = self._with_fallback(lambda store: store.end_run(key, summary))
        self._started.runs.pop(key, None)
        return tracked_s

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> str:
        """See `TrackingService`."""
        self._started.sweep = description, run_id
        started = self._with_fallback(lambda store: store.start_sweep(description, run_id))
        if self.unreachable is None:
            self._started.sweep = description, started
        return started

    def end_sweep(self, summary: SweepSummary) -> None:
        """See `TrackingService`."""
        self._with_fallback(lambda store: store.end_sweep(summary))

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """See `TrackingService`."""
        self._main.set_tag(run_id, name, value)

    def close_stale(self) -> list[str]:
        """See `TrackingService`."""
        return self._main.close_stale()

    def close(self, status: Status = "KILLED") -> int:
        """End every open run; returns their number."""
        left = 0 if self.unreachable is not None else self._main.close(status)
        left += 0 if self._offline is None else self._offline.close(status)
        if self._writing is not None:
            self._writing.release()
        return left

    def sync(self) -> SyncResult:
        """See `TrackingService`."""
        if self._offline is not None:
            self._offline.close()
        runs = 0
        rejected: list[str] = []
        try:
            runs, rejected = sync_all(self._main.client, self.uri, self.experiment_id, self.folder)
        except Exception as error:
            if not is_unreachable(error):
                raise
        folder = str(self.folder) if self.folder is not None and self.folder.exists() else None
        return SyncResult(runs, tuple(rejected), folder)

    def _with_fallback(self, call: Callable[[RunStore], T]) -> T:
        """Call the store or, once it is unreachable, the offline store."""
        if self.unreachable is None:
            try:
                return call(self._main)
            except Exception as error:
                # What a worker of a lot wrote elsewhere could not be refused later, so it ends instead.
                if not is_unreachable(error) or self._main.fence is not None:
                    raise
                self.unreachable = self.unreachable or error_line(error, self.uri)
                _log.debug("the store is unreachable: %s", self.unreachable)
        with self._one_at_a_time:
            return call(self._opened_offline())

    def _opened_offline(self) -> _OfflineStore:
        if self._offline is None:
            sweep = self._started.sweep
            sweep_id = sweep[0].sweep_id if sweep is not None else "single"
            name = f"{sweep_id}-{uuid.uuid4().hex[:8]}"  # unique for each command
            self.folder = offline_folders(self.uri, self.experiment_id) / name
            self.folder.mkdir(parents=True, exist_ok=True)
            self._writing = _lock(self.folder)
            self._writing.acquire(timeout=0)
            store = _OfflineStore(self._started, self._find_best)
            uri, artifacts = sqlite_uri(self.folder / DEFAULT_FILE), location_of(self.folder / "artifacts")
            store.open(StoreAddress(uri, "spool", artifacts))
            self._offline = store
        return self._offline


def sync_all(client: Client, uri: str, experiment_id: str, own: Path | None) -> tuple[int, list[str]]:
    """Copy the offline runs of an experiment to its store; folders of living processes are left alone.

    Args:
      client: client of the store.
      uri: address of the store.
      experiment_id: id of the experiment in the store.
      own: offline folder of this process, which is copied too.

    Returns:
      The number of copied runs, and a line for each folder that the store rejected; those folders stay.

    Raises:
      MlflowException: the store is unreachable; runs that have not been copied stay.
    """
    copied, rejected = 0, []
    for database in sorted(offline_folders(uri, experiment_id).glob(f"*/{DEFAULT_FILE}")):
        store = mlflow_client(client)
        try:
            if database.parent == own:
                copied += _sync_folder(store, experiment_id, database)
                continue
            with _lock(database.parent).acquire(timeout=0):
                # Another process may have copied it meanwhile. Earlier versions held no lock.
                if database.exists() and not _is_being_written(database):
                    copied += _sync_folder(store, experiment_id, database)
        except Timeout:  # a living process writes or copies it
            continue
        except Exception as error:
            if is_unreachable(error):
                raise
            rejected.append(f"{database.parent}: {error_line(error, uri)}")
    return copied, rejected


def _lock(folder: Path) -> BaseFileLock:
    """The lock of an offline folder: held by the process that writes it, or by one that copies it."""
    return FileLock(folder.with_suffix(".lock"))


def _is_being_written(database: Path) -> bool:
    return any(is_alive(run.tags) for run in SqlReader(sqlite_uri(database)).runs({schema.SWEEP_ID: None}))


def _sync_folder(client: "MlflowClient", experiment_id: str, database: Path) -> int:
    """Copy an offline folder and remove it; returns the number of runs."""
    from mlflow.tracking import MlflowClient

    reader = SqlReader(sqlite_uri(database))
    runs = reader.runs({schema.SWEEP_ID: None})
    offline = MlflowClient(tracking_uri=sqlite_uri(database))
    for run in runs:
        _sync_run(client, experiment_id, offline, reader, run)
    for experiment in {run.experiment_id for run in runs}:
        for name, value in offline.get_experiment(experiment).tags.items():
            if name.startswith(schema.SHARED_VIEW_PREFIX):
                client.set_experiment_tag(experiment_id, name, value)
    shutil.rmtree(database.parent)
    database.parent.with_suffix(".lock").unlink(missing_ok=True)
    return len(runs)


def _sync_run(
    client: "MlflowClient", experiment_id: str, offline: "MlflowClient", reader: SqlReader, run: StoredRun
) -> None:
    """Add what an offline run has to its run in the store. Repeating it changes nothing."""
    from mlflow.entities import Param

    target = _target(client, experiment_id, run)
    if target is None:
        own = {} if sql_steps(client) is not None else {schema.STEP_TIMES: schema.FROM_START}
        target = client.create_run(
            experiment_id,
            start_time=run.start_ms,
            run_name=run.name,
            tags={**run.tags, **own, schema.OFFLINE_RUN_ID: run.run_id},
        ).info.run_id
    present = client.get_run(target)
    stored = schema.with_logarithms(run.params)
    params = [Param(name, value) for name, value in stored.items() if name not in present.data.params]
    tags = {name: value for name, value in run.tags.items() if name != schema.SERVER_RUN_ID}
    after_files = {name: tags.pop(name) for name in list(tags) if name.startswith(schema.CURVE_SPAN)}
    client.log_batch(target, params=params, tags=run_tags(tags))
    inputs = offline.get_run(run.run_id).inputs
    known = present.inputs
    if inputs and inputs.dataset_inputs and not (known and known.dataset_inputs):
        client.log_inputs(target, inputs.dataset_inputs)
    metrics = list(_metrics(reader, run, last_steps(present), steps_from(present)))
    for first in range(0, len(metrics), LARGEST_BATCH):
        client.log_batch(target, metrics[first : first + LARGEST_BATCH])
    files = local_path(run.artifact_uri)
    if files is not None and files.is_dir():
        client.log_artifacts(target, str(files))
    if after_files:
        client.log_batch(target, tags=run_tags(after_files))
    status = run.status if run.status != "RUNNING" else "KILLED"
    client.set_terminated(target, status, run.end_ms)


def _target(client: "MlflowClient", experiment_id: str, run: StoredRun) -> str | None:
    """The run in the store that an offline run continues, or that an earlier synchronisation created."""
    if known := run.tags.get(schema.SERVER_RUN_ID):
        return known
    condition = f"tags.`{schema.OFFLINE_RUN_ID}` = '{run.run_id}'"
    created = client.search_runs([experiment_id], condition, max_results=1)
    return str(created[0].info.run_id) if created else None


def _metrics(
    reader: SqlReader, run: StoredRun, last: dict[str, int], steps_from_ms: int | None
) -> "Iterator[Metric]":
    from mlflow.entities import Metric

    timestamp_ms = run.end_ms or run.start_ms
    for curve in reader.rows([run.run_id], list(run.metrics)):
        for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
            if step > last.get(curve.metric, -1):
                yield Metric(
                    curve.metric, value, timestamp_ms if steps_from_ms is None else steps_from_ms + step, step
                )
