"""Copies runs into a new store of their own, with the same ids, values and times."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.dbmodels.models import SqlExperimentTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import UsageError
from swath.tracking import schema
from swath.tracking.export_rows import TABLES, Rows, rows_from_client, rows_from_sql
from swath.tracking.locations import FILES, keep_files_beside, local_path, location_of
from swath.tracking.mlflow_setup import DEFAULT_FILE, make_database, sqlite_uri
from swath.tracking.stored_runs import StoredRun

AT_ONCE = 20
"""Runs whose values are in memory at a time."""

LOCATIONS = {"runs": "artifact_uri", "logged_models": "artifact_location"}
"""Column with the location of files, by table."""


def export_runs(
    uri: str, runs: Sequence[StoredRun], folder: Path, copied: Callable[[int], None] = lambda count: None
) -> None:
    """Copy runs of one experiment, their files, logged models and views into a new store.

    Nothing is left if something fails. Registered models are not copied.

    Args:
      uri: address of the store.
      runs: the runs.
      folder: the new store's folder, absent or empty; it gets `mlflow.db` and `mlruns/`.
      copied: called with a number of runs after they were copied.

    Raises:
      UsageError: the folder is not empty, or the runs are of several experiments.
      OSError: a file cannot be read or written.
      MlflowException: a file cannot be downloaded.
    """
    target = folder.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--export {folder}: expected a new or an empty folder")
    experiments = {run.experiment_id for run in runs}
    if len(experiments) != 1:
        raise UsageError(f"--export {folder}: expected a sweep of one experiment, found {len(experiments)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".swath-export-", dir=target.parent) as name:
        made = Path(name) / target.name
        made.mkdir()
        _Export(MlflowClient(tracking_uri=uri), made, target).copy(experiments.pop(), runs, copied)
        made.replace(target)


class _Export:
    """A new store that is being filled.

    Args:
      source: client of the store that is copied from.
      made: folder in which the new store is made.
      target: folder in which it will be; its database refers to it.
    """

    def __init__(self, source: MlflowClient, made: Path, target: Path) -> None:
        self._source = source
        self._made = made
        self._target = target

    def copy(self, experiment_id: str, runs: Sequence[StoredRun], copied: Callable[[int], None]) -> None:
        """Copy the runs of an experiment."""
        uri = sqlite_uri(self._made / DEFAULT_FILE)
        make_database(uri)
        client = MlflowClient(tracking_uri=uri)
        store = client._tracking_client.store
        keep_files_beside(store, sqlite_uri(self._target / DEFAULT_FILE))
        experiment = self._source.get_experiment(experiment_id)
        self._experiment_id = client.create_experiment(experiment.name)
        shown = {run.tags.get(schema.SWEEP_ID) for run in runs}
        tags = {
            name: value
            for name, value in experiment.tags.items()
            if not name.startswith(schema.SHARED_VIEW_PREFIX)
            or name.removeprefix(schema.SHARED_VIEW_PREFIX) in shown
        }
        tags[schema.DATABASE] = str(self._target / DEFAULT_FILE)
        with store.engine.begin() as connection:
            connection.execute(
                SqlExperimentTag.__table__.insert(),
                [{"experiment_id": self._experiment_id, "key": k, "value": v} for k, v in tags.items()],
            )
        datasets: set[str] = set()
        for first in range(0, len(runs), AT_ONCE):
            part = runs[first : first + AT_ONCE]
            rows = self._read([run.run_id for run in part])
            with store.engine.begin() as connection:
                for table in TABLES:
                    new = list(self._relocated(table.__tablename__, rows, datasets))
                    if new:
                        connection.execute(table.__table__.insert(), new)
            copied(len(part))
        store.engine.dispose()

    def _read(self, run_ids: Sequence[str]) -> Rows:
        store = self._source._tracking_client.store
        if isinstance(store, SqlAlchemyStore):
            return rows_from_sql(store.engine, run_ids)
        return rows_from_client(self._source, run_ids)

    def _relocated(self, table: str, rows: Rows, datasets: set[str]) -> Iterator[Mapping[str, Any]]:
        """Rows of a table as the new store has them; the files that they refer to are copied."""
        for row in rows.get(table, ()):
            new = dict(row)
            if table == "datasets":
                if row["dataset_uuid"] in datasets:
                    continue
                datasets.add(row["dataset_uuid"])
            if "experiment_id" in row:
                new["experiment_id"] = self._experiment_id
            if table in LOCATIONS and row[LOCATIONS[table]]:
                parts = ("models", row["model_id"]) if table == "logged_models" else (row["run_uuid"],)
                files = Path(FILES, str(self._experiment_id), *parts, "artifacts")
                self._copy_files(row[LOCATIONS[table]], self._made / files)
                new[LOCATIONS[table]] = location_of(self._target / files)
            yield new

    def _copy_files(self, location: str, target: Path) -> None:
        path = local_path(location)
        if path is None:
            target.mkdir(parents=True)
            repository = get_artifact_repository(location, tracking_uri=self._source.tracking_uri)
            repository.download_artifacts("", str(target))
        elif path.is_dir():
            shutil.copytree(path, target)
