"""A sweep's own run: it begins with the sweep and ends with it, beside the runs of its configurations."""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.metrics import configuration_of, rank
from swath.tracking.artifacts import artifact_folder
from swath.tracking.records import STILL_RUNNING, Status, SweepDescription, SweepSummary
from swath.tracking.resumed_run import RESUMED
from swath.tracking.ui_urls import SHARED_VIEW_TAG, sweep_filter

NOTE = "mlflow.note.content"
"""The tag that MLflow's page shows as a description."""


OWN_NOTE = "swath.note"
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
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        tags = {**environment, **start.tags, "swath.kind": "sweep", NOTE: start.note}
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
        self._write("manifest.json", start.manifest)
        self._view_tag = f"{SHARED_VIEW_TAG}{start.sweep_id}"
        client.set_experiment_tag(experiment_id, self._view_tag, start.view)
        self._describe_experiment(start.experiment_note)

    def end(self, end: SweepSummary) -> None:
        """Store what has come of the sweep, and end its run.

        Raises:
          MlflowException, OSError: it could not be stored; the run is ended as FAILED, if that much can be.
        """
        self._write("ranking.csv", end.ranking_csv)
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
        """Put a file beside the others, whole or not at all."""
        with artifact_folder(self._client, self.run_id, self._artifact_uri) as folder:
            part = folder / f"{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(folder / name)

    def abort(self, status: Status) -> None:
        """End the run with what is there."""
        end_interrupted(self._client, self.run_id, status)

    def _describe_experiment(self, note: str) -> None:
        tags = self._client.get_experiment(self._experiment_id).tags
        if tags.get(NOTE) in (None, "", tags.get(OWN_NOTE)):
            for name in (NOTE, OWN_NOTE):
                self._client.set_experiment_tag(self._experiment_id, name, note)


def end_interrupted(client: MlflowClient, run_id: str, status: Status) -> None:
    """End the own run of a sweep that came to no end of its own, with its counts and its best so far.

    Args:
      client: of the store.
      run_id: of the sweep's own run.
      status: MLflow's.
    """
    with contextlib.suppress(MlflowException):  # the status matters more
        own = client.get_run(run_id)
        _tell_cut_off(client, own, _configurations(client, own))
    client.set_terminated(run_id, status)


def _tell_cut_off(client: MlflowClient, own: Run, runs: Sequence[Run]) -> None:
    tags = own.data.tags
    counts = Counter(run.info.status for run in runs)
    said = f"It was cut off: {counts['FINISHED']} of {tags.get('swath.asked_for', '?')} finished."
    told = {f"swath.{kept.lower()}": str(counts[kept]) for kept in ("FINISHED", "FAILED", "KILLED")}
    metrics = []
    if finished := [run for run in runs if run.info.status == "FINISHED"]:
        configurations = [configuration_of(run.data.params) for run in finished]
        ranking = rank([run.data.metrics for run in finished], configurations=configurations)
        best = finished[ranking.order[0]]
        told |= {"swath.best_run_id": best.info.run_id, "swath.ranked_by": ranking.metric}
        single = {name: value for name, value in best.data.metrics.items() if not name.startswith("train/")}
        now_ms, times = time.time_ns() // 1_000_000, int(tags.get(RESUMED, "0"))
        metrics = [Metric(f"best/{name}", value, now_ms, times) for name, value in single.items()]
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
    condition, token = sweep_filter(own.data.tags.get("swath.sweep_id", "")), None
    while True:
        page = client.search_runs([own.info.experiment_id], condition, page_token=token)
        found += page
        token = page.token
        if not token:
            return found
