"""A sweep's own run: it begins with the sweep and ends with it, beside the runs of its configurations."""

import time
from collections.abc import Mapping

from mlflow.entities import Metric, RunTag
from mlflow.tracking import MlflowClient

from swath.tracking.artifacts import artifact_folder
from swath.tracking.records import Status, SweepEnd, SweepStart
from swath.ui import SHARED_VIEW_TAG

NOTE = "mlflow.note.content"
"""The tag that MLflow's page shows as a description."""

OWN_NOTE = "swath.note"
"""Marks a description of an experiment as swath's, so that one that somebody wrote is left alone."""


class SweepRun:
    """Begun when it is made.

    Attributes:
      run_id: MLflow's.
    """

    def __init__(
        self, client: MlflowClient, experiment_id: str, start: SweepStart, environment: Mapping[str, str]
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        tags = {**environment, **start.tags, "swath.kind": "sweep", NOTE: start.note}
        run = client.create_run(experiment_id, run_name=start.name, tags=tags)
        self.run_id: str = run.info.run_id
        self._artifact_uri: str = run.info.artifact_uri
        self._view_tag = f"{SHARED_VIEW_TAG}{start.sweep_id}"
        client.set_experiment_tag(experiment_id, self._view_tag, start.view)

    def end(self, end: SweepEnd) -> None:
        """Store what has come of the sweep, and end its run.

        Raises:
          MlflowException, OSError: it could not be stored; the run is ended as FAILED, if that much can be.
        """
        with artifact_folder(self._client, self.run_id, self._artifact_uri) as folder:
            (folder / "ranking.csv").write_text(end.ranking_csv, encoding="utf-8")
        now_ms = time.time_ns() // 1_000_000
        self._client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now_ms, 0) for name, value in end.metrics.items()],
            tags=[RunTag(name, value) for name, value in {**end.tags, NOTE: end.note}.items()],
        )
        self._client.set_experiment_tag(self._experiment_id, self._view_tag, end.view)
        self._describe_experiment(end.experiment_note)
        self._client.set_terminated(self.run_id, end.status)

    def abort(self, status: Status) -> None:
        """End the run with what is there."""
        self._client.set_terminated(self.run_id, status)

    def _describe_experiment(self, note: str) -> None:
        tags = self._client.get_experiment(self._experiment_id).tags
        if tags.get(NOTE) in (None, "", tags.get(OWN_NOTE)):
            for name in (NOTE, OWN_NOTE):
                self._client.set_experiment_tag(self._experiment_id, name, note)
