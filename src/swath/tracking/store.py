"""Runs in an MLflow store: begun, filled block by block, ended in every case."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import mlflow
from mlflow.entities import Metric, RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.system import hide_password
from swath.tracking import schema
from swath.tracking.artifacts import artifact_folder, write_artifacts
from swath.tracking.database_file import check_writable, wait_for_locks
from swath.tracking.mlflow_calls import describe, experiment_id, is_away, log_in_batches
from swath.tracking.mlflow_settings import one_line
from swath.tracking.provenance import environment_tags, installed_packages, process_tags
from swath.tracking.records import (
    MetricBatch,
    RunInfo,
    RunSummary,
    Status,
    StoreAddress,
    StoreInfo,
    SweepDescription,
    SweepSummary,
)
from swath.tracking.resumed_run import last_steps, missing_part, reopen
from swath.tracking.sql import SqlSteps, make_database, sql_steps
from swath.tracking.sweep_run import FindBest, SweepRun

SINGLE_VALUE_STEP = 0
"""MLflow's page draws bars, one per run, for a metric whose only value stands at step 0; at any other step it
draws a curve with one point."""


@dataclass
class _OpenRun:
    run_id: str
    artifact_uri: str
    start: RunInfo
    tracked_s: float = 0.0
    failure: str | None = None
    last_steps: dict[str, int] = field(default_factory=dict)


class RunStore:
    """The runs of one process in one experiment.

    Runs are named by numbers that the caller chooses, so that the caller need not wait for MLflow's ids.

    Args:
      find_best: chooses the best run of a sweep that is interrupted; None to record none.

    Attributes:
      uri: address of the opened store, with its password if it has one.
      experiment_id: of the experiment.
    """

    def __init__(self, find_best: FindBest | None = None) -> None:
        self._find_best = find_best
        self._open: dict[int, _OpenRun] = {}
        self.experiment_id = ""
        self._client: MlflowClient | None = None
        self._sql_steps: SqlSteps | None = None
        self.uri = ""
        self._common_tags: dict[str, str] = {}
        self._sweep: SweepRun | None = None
        self._environment_text = ""

    @property
    def client(self) -> MlflowClient:
        """MLflow's client for the opened store."""
        if self._client is None:
            raise RuntimeError("the store has not been opened")
        return self._client

    def open(self, address: StoreAddress) -> StoreInfo:
        """Open the store, and make it and the experiment where they do not exist.

        Raises:
          SwathError: the experiment cannot be used as asked.
          MlflowException: the store cannot be used.
        """
        self.uri = address.uri or mlflow.get_tracking_uri()
        check_writable(self.uri)
        make_database(self.uri)
        self._client = MlflowClient(tracking_uri=self.uri)
        store = self._client._tracking_client.store
        if isinstance(store, SqlAlchemyStore):
            wait_for_locks(store.engine)
        self._sql_steps = sql_steps(self._client)
        self.experiment_id = experiment_id(self._client, address)
        self._common_tags = {**environment_tags(), **process_tags(schema.TRACKER_PID)}
        self._environment_text = installed_packages()
        return StoreInfo(hide_password(self.uri, self.uri), self.experiment_id)

    def begin(self, key: int, start: RunInfo, run_id: str | None = None) -> str:
        """Make a run in the state RUNNING, with its params, tags and data set; returns its id.

        Where only its params or its data set cannot be stored, the next call for it says so.

        Args:
          key: by which it will be called.
          start: what is said of it.
          run_id: of a run that goes on; None for a new one.
        """
        started = time.perf_counter()
        client = self.client
        described = False
        if run_id is None:
            tags = {**self._common_tags, **start.tags}
            info = client.create_run(self.experiment_id, run_name=start.name, tags=tags).info
            entry = _OpenRun(info.run_id, info.artifact_uri, start)
        else:
            run = reopen(client, run_id, start, self._common_tags)
            entry = _OpenRun(run_id, run.info.artifact_uri, start, last_steps=last_steps(run))
            described = bool(run.data.params and run.inputs and run.inputs.dataset_inputs)
        self._open[key] = entry
        if not described:
            with contextlib.suppress(SwathError), self._remembering(entry):
                self._describe(entry)
        entry.tracked_s += time.perf_counter() - started
        return entry.run_id

    def _describe(self, entry: _OpenRun) -> None:
        try:
            describe(self.client, entry.run_id, entry.start)
        except Exception as error:
            if is_away(error):
                raise
            raise SwathError(one_line(error, self.uri)) from error

    @contextlib.contextmanager
    def _remembering(self, entry: _OpenRun) -> Iterator[None]:
        """A run of which something could not be stored must not end as FINISHED."""
        try:
            yield
        except Exception as error:
            entry.failure = entry.failure or one_line(error, self.uri)
            raise

    def has_begun(self, key: int) -> bool:
        """Whether a run has been begun here and not ended."""
        return key in self._open

    @property
    def has_sweep(self) -> bool:
        """Whether a sweep's own run has been begun here and not ended."""
        return self._sweep is not None

    def log_steps(self, key: int, block: MetricBatch) -> None:
        """Store values of per-step metrics, less those that a run that goes on has already."""
        started = time.perf_counter()
        entry, client = self._entry(key), self.client
        if entry.failure is not None:  # steps behind those that are missing would hide that they are
            raise SwathError(entry.failure)
        with self._remembering(entry):
            for part in missing_part(block, entry.last_steps):
                if self._sql_steps is not None:
                    self._sql_steps.write(entry.run_id, part)
                else:
                    log_in_batches(client, entry.run_id, part)
        entry.tracked_s += time.perf_counter() - started

    def end(self, key: int, end: RunSummary) -> float:
        """Store what is left of a run and end it; returns the seconds that tracking it has taken.

        Where it cannot be stored, the run is ended as FAILED, if that much can be stored.
        """
        entry = self._entry(key)
        try:
            tracked_s = self._end(entry, end)
        except Exception as error:
            # On a full disk there may be room for one and not for the other.
            for tell in () if is_away(error) else (self._tag_error, self._end_failed):
                with contextlib.suppress(Exception):
                    tell(entry, error)
            raise
        finally:
            del self._open[key]
        return tracked_s

    def _tag_error(self, entry: _OpenRun, error: Exception) -> None:
        self.client.set_tag(entry.run_id, schema.ERROR, one_line(error, self.uri))

    def _end_failed(self, entry: _OpenRun, error: Exception) -> None:
        self.client.set_terminated(entry.run_id, "FAILED")

    def _entry(self, key: int) -> _OpenRun:
        if key not in self._open:
            raise SwathError("the run could not be begun")
        return self._open[key]

    def _end(self, entry: _OpenRun, end: RunSummary) -> float:
        started = time.perf_counter()
        client = self.client
        with artifact_folder(client, entry.run_id, entry.artifact_uri) as folder:
            written = write_artifacts(folder, entry.start, end, self._environment_text)
        tracked_s = entry.tracked_s + time.perf_counter() - started
        now_ms = _now_ms()
        values = {**end.metrics, schema.TRACK_S: tracked_s} if entry.failure is None else {}
        reason = "; ".join(filter(None, [end.error, entry.failure])) or None
        whole = bool(end.tags) and entry.failure is None
        tags = {**end.tags, schema.FILES: json.dumps(written)} if whole else {}
        if reason is not None:
            tags[schema.ERROR] = reason
        if not end.metrics:
            values = {}  # it was cut short
        client.log_batch(
            entry.run_id,
            metrics=[
                Metric(name, value, now_ms, SINGLE_VALUE_STEP)
                for name, value in values.items()
                if name not in entry.last_steps
            ],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        client.set_terminated(entry.run_id, end.status if entry.failure is None else "FAILED")
        return tracked_s

    def close(self, status: Status = "KILLED") -> int:
        """End every run that is still open; returns how many there were."""
        open_runs = list(self._open.values())
        self._open.clear()
        for entry in open_runs:
            with contextlib.suppress(Exception):  # the others shall be ended all the same
                self.client.set_terminated(entry.run_id, status)
        if self._sweep is not None:
            with contextlib.suppress(Exception):
                self._sweep.abort(status)
        return len(open_runs)

    def begin_sweep(self, start: SweepDescription, run_id: str | None = None) -> str:
        """Begin the run that stands for the sweep as a whole, or go on with it; returns its id."""
        self._sweep = SweepRun(
            self.client, self.experiment_id, start, self._common_tags, run_id, self._find_best
        )
        return self._sweep.run_id

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """Set a tag of any run."""
        self.client.set_tag(run_id, name, value)

    def end_sweep(self, end: SweepSummary) -> None:
        """End it."""
        if self._sweep is not None:
            self._sweep.end(end)
            self._sweep = None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
