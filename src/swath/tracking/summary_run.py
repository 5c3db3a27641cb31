"""The summary run of a sweep through the client of a store."""

import contextlib
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError

from swath.errors import SwathError
from swath.system import atomic_write
from swath.tracking import schema
from swath.tracking.artifacts import artifact_folder
from swath.tracking.client import AnyRun, Client
from swath.tracking.entities import Metric
from swath.tracking.mlflow_runs import last_steps, log, log_in_batches
from swath.tracking.run_records import Status
from swath.tracking.sql_client import SqlClient, now_ms
from swath.tracking.sweep_records import STILL_RUNNING, SweepDescription, SweepSummary
from swath.tracking.ui_urls import sweep_filter

FindBest = Callable[[Sequence[Mapping[str, float]], Sequence[Mapping[str, str]], str | None], tuple[int, str]]
"""(metrics of finished runs, their params, the metric that ranks or None) -> index of the best, metric."""


class SummaryRun:
    """The summary run of a sweep; creating the object starts or resumes it.

    Attributes:
      run_id: MLflow's id of the run.
    """

    def __init__(
        self,
        client: Client,
        experiment_id: str,
        description: SweepDescription,
        environment: Mapping[str, str],
        run_id: str | None = None,
        find_best: FindBest | None = None,
    ) -> None:
        self._client = client
        self._find_best = find_best
        self._experiment_id = experiment_id
        content = description.files[schema.MANIFEST_FILE].encode()
        digests = {schema.MANIFEST_FILE: hashlib.sha256(content).hexdigest()}
        tags = {**environment, **description.tags, schema.KIND: "sweep", schema.NOTE: description.note}
        tags[schema.FILES] = json.dumps(digests)
        self._known: dict[str, float] = {}
        self._last_steps: dict[str, int] = {}
        self._resumed = 0
        if run_id is None:
            run = client.create_run(
                experiment_id, start_time=description.start_ms, run_name=description.name, tags=tags
            )
        else:
            run = client.get_run(run_id)
            self._known, self._last_steps = run.data.metrics, last_steps(run)
            self._resumed = int(run.data.tags.get(schema.RESUMED, "0")) + 1
            log(client, run_id, tags={**tags, schema.RESUMED: str(self._resumed)})
            client.update_run(run_id, status="RUNNING")
        self.run_id: str = run.info.run_id
        self._artifact_uri: str = run.info.artifact_uri
        self.write_files(description.files)
        self._view_tag = f"{schema.SHARED_VIEW_PREFIX}{description.sweep_id}"
        client.set_experiment_tag(experiment_id, self._view_tag, description.view)
        self._describe_experiment(description.experiment_note)

    @classmethod
    def of_stored(cls, client: Client, run_id: str) -> "SummaryRun":
        """The summary run that another process has started."""
        found = cls.__new__(cls)
        run = client.get_run(run_id)
        found._client, found._find_best = client, None
        found._experiment_id = run.info.experiment_id
        found._known, found._last_steps = run.data.metrics, last_steps(run)
        found._resumed = int(run.data.tags.get(schema.RESUMED, "0"))
        found.run_id, found._artifact_uri = run_id, run.info.artifact_uri
        found._view_tag = f"{schema.SHARED_VIEW_PREFIX}{run.data.tags[schema.SWEEP_ID]}"
        return found

    def write_files(self, texts: Mapping[str, str]) -> None:
        """Write artifacts, each as a whole or not at all."""
        with artifact_folder(self._client, self._artifact_uri) as folder:
            for name, text in texts.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                atomic_write(folder / name, text)

    def end(self, summary: SweepSummary) -> None:
        """Store the outcome of the sweep and end the run.

        Raises:
          MlflowException, SwathError, OSError: the outcome could not be stored.
        """
        self.write_files({schema.RANKING_FILE: summary.ranking_csv})
        timestamp_ms = now_ms()
        log(
            self._client,
            self.run_id,
            # The step counts resumes, so that a better run found later is a later value.
            metrics=[
                Metric(name, value, timestamp_ms, self._resumed)
                for name, value in summary.metrics.items()
                if self._known.get(name) != value
            ],
            tags={**summary.tags, schema.NOTE: summary.note},
        )
        # A resumed search begins with the same trials.
        if summary.by_trial is not None:
            log_in_batches(self._client, self.run_id, summary.by_trial.after(self._last_steps))
        self._client.set_experiment_tag(self._experiment_id, self._view_tag, summary.view)
        self._describe_experiment(summary.experiment_note)
        self._client.set_terminated(self.run_id, summary.status)

    def abort(self, status: Status) -> None:
        """End the run with the counts and the best run so far."""
        end_interrupted(self._client, self.run_id, status, self._find_best)

    def _describe_experiment(self, note: str) -> None:
        tags = self._client.get_experiment(self._experiment_id).tags
        if tags.get(schema.NOTE) in (None, "", tags.get(schema.OWN_NOTE)):  # keep a note that a user edited
            for name in (schema.NOTE, schema.OWN_NOTE):
                self._client.set_experiment_tag(self._experiment_id, name, note)


def end_interrupted(client: Client, run_id: str, status: Status, find_best: FindBest | None = None) -> None:
    """End the summary run of an interrupted sweep with its counts and its best run so far.

    Args:
      client: client of the store.
      run_id: id of the summary run.
      status: MLflow's run status.
      find_best: chooses the best finished run; None to record none.
    """
    with contextlib.suppress(*_store_errors()):  # the status matters more
        summary_run = client.get_run(run_id)
        _summarize(client, summary_run, runs_of(client, summary_run), find_best)
    client.set_terminated(run_id, status)


def _store_errors() -> tuple[type[Exception], ...]:
    mlflow = sys.modules.get("mlflow.exceptions")
    return (SQLAlchemyError, SwathError, *([] if mlflow is None else [mlflow.MlflowException]))


def _summarize(
    client: Client, summary_run: AnyRun, runs: Sequence[AnyRun], find_best: FindBest | None
) -> None:
    known = summary_run.data.tags
    counts = Counter(run.info.status for run in runs)
    sentence = f"Interrupted: {counts['FINISHED']} of {known.get(schema.ASKED_FOR, '?')} finished."
    tags = {tag: str(counts[status]) for status, tag in schema.COUNTS.items()}
    metrics = []
    finished = [run for run in runs if run.info.status == "FINISHED"]
    if finished and find_best is not None:
        index, metric = find_best(
            [run.data.metrics for run in finished],
            [run.data.params for run in finished],
            known.get(schema.RANKED_BY),
        )
        best = finished[index]
        tags |= {schema.BEST_RUN_ID: best.info.run_id, schema.RANKED_BY: metric}
        single = {name: value for name, value in best.data.metrics.items() if not schema.is_per_step(name)}
        timestamp_ms, resumed = now_ms(), int(known.get(schema.RESUMED, "0"))
        metrics = [Metric(schema.best(name), value, timestamp_ms, resumed) for name, value in single.items()]
    tags[schema.NOTE] = known.get(schema.NOTE, "").replace(STILL_RUNNING, sentence)
    log(client, summary_run.info.run_id, metrics, tags)
    experiment = client.get_experiment(summary_run.info.experiment_id).tags
    if experiment.get(schema.NOTE) == experiment.get(schema.OWN_NOTE):
        for name in (schema.NOTE, schema.OWN_NOTE):
            note = experiment.get(name, "").replace(STILL_RUNNING, sentence)
            client.set_experiment_tag(summary_run.info.experiment_id, name, note)


def runs_of(client: Client, summary_run: AnyRun) -> list[AnyRun]:
    """The runs of the configurations of a sweep."""
    sweep_id = summary_run.data.tags.get(schema.SWEEP_ID, "")
    if isinstance(client, SqlClient):
        of_sweep = {schema.SWEEP_ID: sweep_id, schema.KIND: "run"}
        return [*client.runs_with_tags(summary_run.info.experiment_id, of_sweep)]
    found: list[AnyRun] = []
    condition, token = sweep_filter(sweep_id), None
    while True:
        page = client.search_runs([summary_run.info.experiment_id], condition, page_token=token)
        found += page
        token = page.token
        if not token:
            return found
