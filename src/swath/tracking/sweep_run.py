"""A sweep's own run: it begins with the sweep and ends with it, beside the runs of its configurations."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.system import atomic_write
from swath.tracking import schema
from swath.tracking.artifacts import artifact_folder
from swath.tracking.records import STILL_RUNNING, Status, SweepDescription, SweepSummary
from swath.tracking.resumed_run import RESUMED
from swath.tracking.ui_urls import SHARED_VIEW_TAG, sweep_filter

FindBest = Callable[[Sequence[Mapping[str, float]], Sequence[Mapping[str, str]]], tuple[int, str]]
"""(metrics of finished runs, their params) -> index of the best one, and the metric that ranks them."""


NOTE = schema.NOTE
"""The tag that MLflow's page shows as a description."""


OWN_NOTE = schema.OWN_NOTE
"""Marks a description of an experiment as swath's, so that one that somebody wrote is left alone."""


class SweepRun:
    """Begun, or taken up, when it is made.

    Attributes:
      run_id: MLflow's.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        start: SweepDescription,
        environment: Mapping[str, str],
        run_id: str | None = None,
        find_best: FindBest | None = None,
    ) -> None:
        self._client = client
        self._find_best = find_best
        self._experiment_id = experiment_id
        tags = {**environment, **start.tags, schema.KIND: "sweep", NOTE: start.note}
        self._known: dict[str, float] = {}
        self._times = 0
        if run_id is None:
            run = client.create_run(experiment_id, run_name=start.name, tags=tags)
        else:
            run = client.get_run(run_id)
            self._known = run.data.metrics
            client.update_run(run_id, status="RUNNING")
            self._times = int(run.data.tags.get(RESUMED, "0")) + 1
            tags[RESUMED] = str(self._times)
            client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        self.run_id: str = run.info.run_id
        self._artifact_uri: str = run.info.artifact_uri
        self._write(schema.MANIFEST_FILE, start.manifest)
        self._view_tag = f"{SHARED_VIEW_TAG}{start.sweep_id}"
        client.set_experiment_tag(experiment_id, self._view_tag, start.view)
        self._describe_experiment(start.experiment_note)

    def end(self, end: SweepSummary) -> None:
        """Store what has come of the sweep, and end its run.

        Raises:
          MlflowException, OSError: it could not be stored; the run is ended as FAILED, if that much can be.
        """
        self._write(schema.RANKING_FILE, end.ranking_csv)
        now_ms = time.time_ns() // 1_000_000
        self._client.log_batch(
            self.run_id,
            # A better best is a value at another step: how often the sweep has been taken up.
            metrics=[
                Metric(name, value, now_ms, self._times)
                for name, value in end.metrics.items()
                if self._known.get(name) != value
            ],
            tags=[RunTag(name, value) for name, value in {**end.tags, NOTE: end.note}.items()],
        )
        self._client.set_experiment_tag(self._experiment_id, self._view_tag, end.view)
        self._describe_experiment(end.experiment_note)
        self._client.set_terminated(self.run_id, end.status)

    def _write(self, name: str, text: str) -> None:
        """Write an artifact, completely or not at all."""
        with artifact_folder(self._client, self.run_id, self._artifact_uri) as folder:
            atomic_write(folder / name, text)

    def abort(self, status: Status) -> None:
        """End the run with what is there."""
        end_interrupted(self._client, self.run_id, status, self._find_best)

    def _describe_experiment(self, note: str) -> None:
        tags = self._client.get_experiment(self._experiment_id).tags
        if tags.get(NOTE) in (None, "", tags.get(OWN_NOTE)):
            for name in (NOTE, OWN_NOTE):
                self._client.set_experiment_tag(self._experiment_id, name, note)


def end_interrupted(client: MlflowClient, run_id: str, status: Status, find_best: FindBest | None) -> None:
    """End the own run of a sweep that came to no end of its own, with its counts and its best so far.

    Args:
      client: of the store.
      run_id: of the sweep's own run.
      status: MLflow's.
      find_best: chooses the best finished run; None to record none.
    """
    with contextlib.suppress(MlflowException):  # the status matters more
        own = client.get_run(run_id)
        _tell_cut_off(client, own, _configurations(client, own), find_best)
    client.set_terminated(run_id, status)


def _tell_cut_off(client: MlflowClient, own: Run, runs: Sequence[Run], find_best: FindBest | None) -> None:
    tags = own.data.tags
    counts = Counter(run.info.status for run in runs)
    said = f"It was cut off: {counts['FINISHED']} of {tags.get(schema.ASKED_FOR, '?')} finished."
    told = {tag: str(counts[status]) for status, tag in schema.COUNTS.items()}
    metrics = []
    finished = [run for run in runs if run.info.status == "FINISHED"]
    if finished and find_best is not None:
        index, metric = find_best(
            [run.data.metrics for run in finished], [run.data.params for run in finished]
        )
        best = finished[index]
        told |= {schema.BEST_RUN_ID: best.info.run_id, schema.RANKED_BY: metric}
        single = {name: value for name, value in best.data.metrics.items() if not schema.is_per_step(name)}
        now_ms, times = time.time_ns() // 1_000_000, int(tags.get(RESUMED, "0"))
        metrics = [Metric(schema.best(name), value, now_ms, times) for name, value in single.items()]
    told[NOTE] = tags.get(NOTE, "").replace(STILL_RUNNING, said)
    client.log_batch(
        own.info.run_id, metrics=metrics, tags=[RunTag(name, value) for name, value in told.items()]
    )
    of_experiment = client.get_experiment(own.info.experiment_id).tags
    if of_experiment.get(NOTE) == of_experiment.get(OWN_NOTE):
        for name in (NOTE, OWN_NOTE):
            note = of_experiment.get(name, "").replace(STILL_RUNNING, said)
            client.set_experiment_tag(own.info.experiment_id, name, note)


def _configurations(client: MlflowClient, own: Run) -> list[Run]:
    """The runs of a sweep's configurations."""
    found: list[Run] = []
    condition, token = sweep_filter(own.data.tags.get(schema.SWEEP_ID, "")), None
    while True:
        page = client.search_runs([own.info.experiment_id], condition, page_token=token)
        found += page
        token = page.token
        if not token:
            return found
