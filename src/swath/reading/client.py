"""Runs read through MLflow's client, for tracking servers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.reading.records import Curve, StoredRun
from swath.tracking.going_on import last_steps
from swath.tracking.sql_steps import LARGEST_DOUBLE

PAGE = 1_000
"""Runs asked for at a time."""


class ClientReader:
    """Reads the store behind a tracking server."""

    moved: str | None = None

    def __init__(self, uri: str) -> None:
        """Connect; the first question shows whether the server is there."""
        self._client = MlflowClient(tracking_uri=uri)
        self._uri = uri
        self._experiments = []
        token: str | None = None
        while True:
            page = self._client.search_experiments(page_token=token)
            self._experiments += [entry.experiment_id for entry in page]
            token = page.token
            if not token:
                break

    def runs(self, tags: Mapping[str, str | None], status: str | None = None) -> list[StoredRun]:
        """See `Reader`."""
        # Values are compared here: MLflow's filter has no way to write a text with both kinds of quotes.
        conditions = [f"tags.`{name}` LIKE '%'" for name in tags]
        if status is not None:
            conditions.append(f"attributes.status = '{status}'")
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self._client.search_runs(
                self._experiments, " AND ".join(conditions), ViewType.ACTIVE_ONLY, PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                break
        stored = [self._stored(run) for run in found]
        wanted = {name: value for name, value in tags.items() if value is not None}
        kept = [run for run in stored if all(run.tags.get(name) == value for name, value in wanted.items())]
        return sorted(kept, key=lambda run: (run.start_ms, run.run_id))

    def run(self, run_id: str) -> StoredRun | None:
        """See `Reader`."""
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return self._stored(run) if run.info.lifecycle_stage == "active" else None

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """See `Reader`."""
        found = []
        for run_id in run_ids:
            for metric in sorted(metrics):
                history = self._client.get_metric_history(run_id, metric)
                history = sorted(history, key=lambda entry: (entry.step, entry.timestamp))
                if history:
                    steps = np.array([entry.step for entry in history], np.int64)
                    values = np.array([_value(entry.value) for entry in history], np.float64)
                    found.append(Curve(run_id, metric, steps, values))
        return found

    def _stored(self, run: Run) -> StoredRun:
        info = run.info
        return StoredRun(
            info.run_id,
            info.experiment_id,
            info.run_name or "",
            info.status,
            info.start_time or 0,
            info.end_time,
            info.artifact_uri or "",
            dict(run.data.params),
            {name: _value(value) for name, value in run.data.metrics.items()},
            dict(run.data.tags),
            last_steps(run),
            store=self._uri,
        )


def _value(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= LARGEST_DOUBLE else value
