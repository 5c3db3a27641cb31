"""Reads the store of a tracking server through MLflow's client."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.tracking import schema
from swath.tracking.connections import spread_requests
from swath.tracking.format import former_names, with_present_names
from swath.tracking.sql_values import stored_value
from swath.tracking.stored_curves import count_steps_in_files, with_files
from swath.tracking.stored_runs import Curve, StoredRun, complete_params

PAGE = 1_000
"""Runs in one response of a server."""


class ClientReader:
    """Reads the store of a tracking server."""

    moved: str | None = None

    def __init__(self, uri: str) -> None:
        """Connect to the server.

        Raises:
          MlflowException: it does not answer, or refuses the login.
        """
        spread_requests(uri)
        self._client = MlflowClient(tracking_uri=uri)
        self._uri = uri
        self._client.search_experiments(max_results=1)

    @cached_property
    def _experiments(self) -> list[str]:
        """The ids of its experiments."""
        found: list[str] = []
        token: str | None = None
        while True:
            page = self._client.search_experiments(page_token=token)
            found += [entry.experiment_id for entry in page]
            token = page.token
            if not token:
                return found

    def runs(
        self, tags: Mapping[str, str | None], status: str | None = None, *, deleted: bool = False
    ) -> list[StoredRun]:
        """See `Reader`."""
        view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
        # Values are compared here because MLflow's filter cannot express a text with both kinds of quotes.
        conditions = [f"tags.`{name}` LIKE '%'" for name in tags if not former_names(name)]
        if status is not None:
            conditions.append(f"attributes.status = '{status}'")
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self._client.search_runs(
                self._experiments, " AND ".join(conditions), view, PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                break
        stored = [self._stored(run) for run in found]
        wanted = {name: value for name, value in tags.items() if value is not None}
        kept = [
            run
            for run in stored
            if tags.keys() <= run.tags.keys()
            and all(run.tags[name] == value for name, value in wanted.items())
        ]
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
        return with_files(self._in_file, self.run, self.rows, run_ids, metrics)

    def experiment(self, experiment_id: str) -> tuple[str, dict[str, str]] | None:
        """See `Reader`."""
        try:
            found = self._client.get_experiment(experiment_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return found.name, dict(found.tags)

    def _in_file(self, run_ids: Sequence[str]) -> list[StoredRun]:
        """Those of the runs that keep their curves in files."""
        found: list[StoredRun] = []
        for first in range(0, len(run_ids), PAGE):
            names = ", ".join(f"'{run_id}'" for run_id in run_ids[first : first + PAGE])
            condition = f"attributes.run_id IN ({names}) AND tags.`{schema.CURVES}` LIKE '%'"
            page = self._client.search_runs(self._experiments, condition, ViewType.ALL, PAGE)
            found += map(self._stored, page)
        return found

    def rows(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """What the metrics of the server have of these curves, without the files of runs."""
        found = []
        for run_id in run_ids:
            for metric in sorted(metrics):
                history = self._client.get_metric_history(run_id, metric)
                history = sorted(history, key=lambda entry: (entry.step, entry.timestamp))
                if history:
                    steps = np.array([entry.step for entry in history], np.int64)
                    values = np.array([stored_value(entry.value) for entry in history], np.float64)
                    found.append(Curve(run_id, metric, steps, values))
        return found

    def _stored(self, run: Run) -> StoredRun:
        info = run.info
        found = StoredRun(
            info.run_id,
            info.experiment_id,
            info.run_name or "",
            info.status,
            info.start_time or 0,
            info.end_time,
            info.artifact_uri or "",
            complete_params(schema.without_logarithms(run.data.params), run.data.tags),
            {name: stored_value(value) for name, value in run.data.metrics.items()},
            with_present_names(run.data.tags),
            {metric.key: metric.step for metric in run.data._metric_objs},
            store=self._uri,
        )
        count_steps_in_files(found)
        return found
