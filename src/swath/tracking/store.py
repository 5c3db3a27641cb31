"""The runs of one command in an MLflow store."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from swath.errors import SwathError
from swath.system import hide_password
from swath.tracking import mlflow_runs, schema
from swath.tracking.address import StoreAddress, StoreInfo, is_server
from swath.tracking.artifacts import artifact_folder, write_artifacts
from swath.tracking.client import AnyRun, Client, mlflow_client
from swath.tracking.curve_writer import CurveWriter
from swath.tracking.entities import Metric
from swath.tracking.lot_records import SupersededError
from swath.tracking.lots import Fence
from swath.tracking.mlflow_setup import (
    default_uri,
    error_line,
    is_unreachable,
    may_pass,
)
from swath.tracking.open_runs import OpenRun, taking_back
from swath.tracking.opening import connect, experiment_of, prepare
from swath.tracking.provenance import environment_tags, installed_packages, process_tags
from swath.tracking.reader import open_reader
from swath.tracking.repeating import patiently
from swath.tracking.run_records import MetricBatch, RunInfo, RunSummary, Status
from swath.tracking.sql_client import SqlClient, now_ms
from swath.tracking.sql_start import described_run, new_run
from swath.tracking.sql_steps import SqlSteps, sql_steps, untested_version, write_steps
from swath.tracking.stale_runs import close_stale
from swath.tracking.stored_runs import StoredRun
from swath.tracking.summary_run import FindBest, SummaryRun
from swath.tracking.sweep_records import SweepDescription, SweepSummary
from swath.tracking.system_metrics import SystemMetrics

SINGLE_VALUE_STEP = 0
"""Step of a metric with a single value: MLflow's page draws bars, one for each run, only at step 0."""


def is_of_all(error: Exception) -> bool:
    """Whether an error of one run is one of all runs: the store is away, or a later worker writes it."""
    return isinstance(error, SupersededError) or is_unreachable(error)


class RunStore:
    """The runs of one command in one experiment; see `TrackingService`.

    Args:
      find_best: chooses the best run of an interrupted sweep; None to record none.

    Attributes:
      uri: address of the opened store, including its password if it has one.
      experiment_id: MLflow's id of the experiment.
      fence: what this process must still be when it writes; None if it trains no lot.
      sweep: the summary run that this process ends; None for a single run, and while workers have it.
      system_metrics: those of the machine, while a sweep is trained here.
    """

    def __init__(self, find_best: FindBest | None = None) -> None:
        self._find_best = find_best
        self._open: dict[int, OpenRun] = {}
        self.experiment_id = self._artifact_root = ""
        self.fence: Fence | None = None
        self._client: Client | None = None
        self._sql_steps: SqlSteps | None = None
        self.uri = ""
        self._common_tags: dict[str, str] = {}
        self.sweep: SummaryRun | None = None
        self._environment_text = ""
        self.system_metrics = SystemMetrics()

    @property
    def client(self) -> Client:
        """The client of the opened store."""
        if self._client is None:
            raise RuntimeError("the store has not been opened")
        return self._client

    def open(self, address: StoreAddress) -> StoreInfo:
        """Open the store; create it and the experiment if they do not exist.

        Raises:
          SwathError: the experiment has been deleted, its artifact location is another one or cannot be
            written, or the database does not answer.
          UsageError: the store was copied or moved, and refers to the files of the original.
          MlflowException: the store cannot be used.
        """
        self.uri = address.uri or default_uri()
        notes = prepare(address, self.uri)
        self._client = connect(self.uri)
        self._sql_steps = sql_steps(self._client)
        self.experiment_id, self._artifact_root = experiment_of(self._client, address, self.uri)
        self._common_tags = {**environment_tags(), **process_tags(schema.TRACKER_PID)}
        self._environment_text = installed_packages()
        notes.append(untested_version(self._client))
        shown = hide_password(self.uri, self.uri)
        return StoreInfo(shown, self.experiment_id, tuple(filter(None, notes)))

    def start_run(self, key: int, info: RunInfo, run_id: str | None = None) -> str:
        """Create or resume a run with its params, tags and data set; returns MLflow's id.

        If only the params or the data set cannot be stored, the next call for the run fails.

        Args:
          key: number of the run in later calls, so that the caller need not wait for MLflow's id.
          info: metadata of the run.
          run_id: id of the run to resume; None for a new one.
        """
        started = time.perf_counter()
        described = False
        if run_id is not None:
            self.check_fence()
            run = self._reopened(run_id, info)
            entry = OpenRun(run_id, run.info.artifact_uri, info, self._curves_of(mlflow_runs.stored_run(run)))
            entry.last_steps = mlflow_runs.last_steps(run)
            entry.steps_from_ms = mlflow_runs.steps_from(run)
            described = bool(run.data.params and run.inputs and run.inputs.dataset_inputs)
        elif self._sql_steps is not None and isinstance(self.client, SqlClient):
            entry, described = self._create_at_once(info, self._sql_steps), True
        else:
            entry = self._create(info)
        self._open[key] = entry
        if self.sweep is None:
            self.system_metrics.start(self.uri, entry.run_id, resumed=run_id is not None)
        if not described:
            with contextlib.suppress(SwathError), self._recording_failure(entry):
                self._describe(entry)
        entry.tracked_s += time.perf_counter() - started
        return entry.run_id

    def _create(self, info: RunInfo) -> OpenRun:
        """Create a run through MLflow's own call."""
        self.check_fence()
        tags = {**self._common_tags, **info.tags}
        if not self.stores_together:
            tags[schema.STEP_TIMES] = schema.FROM_START
        run = self.client.create_run(self.experiment_id, run_name=info.name, tags=tags)
        entry = OpenRun(
            run.info.run_id, run.info.artifact_uri, info, self._curves_of(mlflow_runs.stored_run(run))
        )
        entry.steps_from_ms = mlflow_runs.steps_from(run)
        self._undo_if_superseded(entry)
        return entry

    def _create_at_once(self, info: RunInfo, steps: SqlSteps) -> OpenRun:
        """Create a run with its params and its data set, in one transaction."""
        tags = {**self._common_tags, **info.tags}
        new = new_run(info, tags, self.experiment_id, self._artifact_root)
        patiently(lambda: steps.start(new, self.fence))
        run = StoredRun(new.run_id, "", "", "", new.start_ms, None, new.artifact_uri, tags=tags)
        return OpenRun(new.run_id, new.artifact_uri, info, self._curves_of(run))

    def _reopened(self, run_id: str, info: RunInfo) -> AnyRun:
        """Set an interrupted run to RUNNING; returns the run as it was before."""
        run = self.client.get_run(run_id)
        tags, gone = mlflow_runs.reopened(run, info, self._common_tags)
        if self._sql_steps is None:
            mlflow_runs.reopen(self.client, run, tags, gone)
        else:
            steps = self._sql_steps
            patiently(lambda: steps.reopen(run_id, tags, gone, self.fence))
        return run

    def _curves_of(self, run: StoredRun) -> CurveWriter:
        found = replace(run, store=self.uri if is_server(self.uri) else "")
        return CurveWriter(found, 0 if self.fence is None else self.fence.lot.epoch)

    def check_fence(self) -> None:
        """Check that no later worker has begun the lot of this one.

        Raises:
          SupersededError: one has.
        """
        if self.fence is not None:
            patiently(self.fence.check)

    def _undo_if_superseded(self, entry: OpenRun) -> None:
        """The successor has not seen a run that was created since it began the lot."""
        try:
            self.check_fence()
        except SupersededError:
            self.client.set_terminated(entry.run_id, "KILLED")
            mlflow_client(self.client).delete_run(entry.run_id)
            raise

    def _describe(self, entry: OpenRun) -> None:
        try:
            if self._sql_steps is None or not isinstance(self.client, SqlClient):
                mlflow_runs.describe(mlflow_client(self.client), entry.run_id, entry.info)
            else:
                steps, run = self._sql_steps, described_run(entry.run_id, entry.info, self.experiment_id)
                patiently(lambda: steps.describe(run, self.fence))
        except Exception as error:
            if is_unreachable(error):
                raise
            raise self._failure_of(error) from error

    @contextlib.contextmanager
    def _recording_failure(self, entry: OpenRun) -> Iterator[None]:
        """Remember a failure, so that an incomplete run does not end as FINISHED."""
        try:
            yield
        except Exception as error:
            entry.failure = entry.failure or self._failure_of(error)
            raise

    def _failure_of(self, error: Exception) -> SwathError:
        """An error that every later call for the same run raises."""
        failure = SwathError(error_line(error, self.uri))
        failure.passes = may_pass(error)
        return failure

    def has_run(self, key: int) -> bool:
        """Whether a run has been started here and not ended."""
        return key in self._open

    def id_of(self, key: int) -> str | None:
        """MLflow's id of a run that has been started here and not ended."""
        return self._open[key].run_id if key in self._open else None

    @property
    def has_sweep(self) -> bool:
        """Whether a summary run has been started here and not ended."""
        return self.sweep is not None

    def log_steps(self, key: int, batch: MetricBatch) -> None:
        """Store values of per-step metrics, except those that a resumed run already has."""
        self.log_steps_of_many([(key, batch)])

    @property
    def stores_together(self) -> bool:
        """Whether the opened store has transactions that can hold steps of several runs."""
        return self._sql_steps is not None

    def log_steps_of_many(self, calls: Sequence[tuple[int, MetricBatch]]) -> None:
        """Store steps of one run, or, if the store `stores_together`, those of several in one transaction.

        Args:
          calls: number of a run, and values, as for `log_steps`; a run may come several times.

        Raises:
          Exception: nothing is stored; on a server perhaps a part, which is the same when it is sent again.
            Unless `is_of_all`, each of several runs can be tried alone.
        """
        started = time.perf_counter()
        pairs = [(self._entry(key), batch) for key, batch in calls]
        entries = list({id(entry): entry for entry, _ in pairs}.values())
        for entry in entries:
            if entry.failure is not None:  # later steps would hide the gap
                raise entry.failure
        try:
            with taking_back(entries):
                self._write_steps(pairs)
        except Exception as error:
            if is_of_all(error) or len(entries) == 1:
                for entry in entries:
                    entry.failure = self._failure_of(error)
            raise
        share_s = (time.perf_counter() - started) / len(entries)
        for entry in entries:
            entry.tracked_s += share_s

    def _write_steps(self, pairs: Sequence[tuple[OpenRun, MetricBatch]]) -> None:
        rows = [
            (entry.run_id, part) for entry, batch in pairs for part in batch.rows().after(entry.last_steps)
        ]
        if self._sql_steps is not None:
            write_steps(self._sql_steps, self.client, rows, self.fence, self._write_files(pairs))
            return
        self.check_fence()
        self._write_files(pairs)
        (entry,) = {id(entry): entry for entry, _ in pairs}.values()
        parts = [part for _, part in rows]
        mlflow_runs.log_in_batches(self.client, entry.run_id, parts, entry.steps_from_ms, entry.curves.tags)

    def _write_files(self, pairs: Sequence[tuple[OpenRun, MetricBatch]]) -> dict[tuple[str, str], str]:
        """Write the steps that go into files of runs; returns the tags that make them count, by run."""
        tags = {}
        for entry, batch in pairs:
            if batch.rows_every is not None:
                with artifact_folder(self.client, entry.artifact_uri) as folder:
                    entry.curves.write(folder, batch)
                tags.update({(entry.run_id, name): value for name, value in entry.curves.tags.items()})
        return tags

    def end_run(self, key: int, summary: RunSummary) -> float:
        """Store the outcome of a run and end it; returns the seconds that tracking the run took.

        If the outcome cannot be stored, the run ends as FAILED.
        """
        entry = self._entry(key)
        if self.sweep is None:
            self.system_metrics.finish()
        try:
            tracked_s = self._end(entry, summary)
        except Exception as error:
            if not is_of_all(error):
                self._end_failed(entry.run_id, error)
            raise
        finally:
            del self._open[key]
        return tracked_s

    def _end_failed(self, run_id: str, error: Exception) -> None:
        """End a run as FAILED with the reason, or, on a full disk, without it."""
        for tags in ({schema.ERROR: error_line(error, self.uri)}, {}):
            try:
                self._terminate(run_id, "FAILED", tags)
            except Exception as another:
                if is_of_all(another):
                    return
            else:
                return

    def _terminate(self, run_id: str, status: Status, tags: Mapping[str, str]) -> None:
        """End a run, unless a later worker has begun the lot of this one."""
        if self._sql_steps is not None:
            steps, when = self._sql_steps, (now_ms(), SINGLE_VALUE_STEP)
            patiently(lambda: steps.end(run_id, status, {}, tags, when, self.fence))
            return
        self.check_fence()
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        self.client.set_terminated(run_id, status)

    def _entry(self, key: int) -> OpenRun:
        if key not in self._open:
            raise SwathError("the run could not be started")
        return self._open[key]

    def _end(self, entry: OpenRun, summary: RunSummary) -> float:
        started = time.perf_counter()
        client = self.client
        if summary.described is not None:
            entry.info = summary.described
            with self._recording_failure(entry):
                self._describe(entry)
            client.update_run(entry.run_id, name=entry.info.name)
            summary = replace(summary, tags={**entry.info.tags, **summary.tags})
        self.check_fence()
        with artifact_folder(client, entry.artifact_uri) as folder:
            written = write_artifacts(folder, entry.info, summary, self._environment_text)
            merges = entry.failure is None and summary.metrics
            merged = entry.curves.merge() if merges else {}
        tracked_s = entry.tracked_s + time.perf_counter() - started
        timestamp_ms = now_ms()
        is_complete = entry.failure is None
        interrupted = not summary.metrics
        values = {**summary.metrics, schema.TRACK_S: tracked_s} if is_complete and not interrupted else {}
        tags: dict[str, str | None] = dict(merged)
        if summary.tags and is_complete:
            tags |= {**summary.tags, schema.FILES: json.dumps(written)}
        reason = "; ".join(filter(None, [summary.error, str(entry.failure or "")]))
        if reason:
            tags[schema.ERROR] = reason
        status: Status = summary.status if is_complete else "FAILED"
        new = {name: value for name, value in values.items() if name not in entry.last_steps}
        if self._sql_steps is not None:
            steps, when = self._sql_steps, (timestamp_ms, SINGLE_VALUE_STEP)
            patiently(lambda: steps.end(entry.run_id, status, new, tags, when, self.fence))
        else:
            self.check_fence()
            mlflow_runs.log(
                client,
                entry.run_id,
                [Metric(name, value, timestamp_ms, SINGLE_VALUE_STEP) for name, value in new.items()],
                {name: value for name, value in tags.items() if value is not None},
            )
            client.set_terminated(entry.run_id, status)
        if merged:
            entry.curves.tidy(merged)
        return tracked_s

    def close(self, status: Status = "KILLED") -> int:
        """End every open run; returns their number."""
        self.system_metrics.finish()
        open_runs = list(self._open.values())
        self._open.clear()
        for entry in open_runs:
            try:
                self._terminate(entry.run_id, status, {})
            except Exception as error:  # end the other runs too, unless each would wait for a minute
                if is_unreachable(error):
                    return len(open_runs)
        # A worker leaves the summary run to whoever begins its lot next.
        if self.sweep is not None and self.fence is None:
            with contextlib.suppress(Exception):
                self.sweep.abort(status)
        return len(open_runs)

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> str:
        """Create or resume the summary run of the sweep; returns MLflow's id."""
        self.sweep = SummaryRun(
            self.client, self.experiment_id, description, self._common_tags, run_id, self._find_best
        )
        self.system_metrics.start(self.uri, self.sweep.run_id, resumed=run_id is not None)
        return self.sweep.run_id

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """Set a tag of any run."""
        self.client.set_tag(run_id, name, value)

    def close_stale(self) -> list[str]:
        """End runs of this experiment whose processes on this machine have died; returns their ids."""
        running = open_reader(self.uri).runs({schema.PID: None}, status="RUNNING")
        runs = [run for run in running if run.experiment_id == self.experiment_id]
        return [run.run_id for run in close_stale(self.uri, runs, self._find_best)]

    def end_sweep(self, summary: SweepSummary) -> None:
        """Store the outcome of the sweep and end its summary run."""
        if self.sweep is not None:
            self.check_fence()
            self.system_metrics.finish()
            self.sweep.end(summary)
            self.sweep = None
