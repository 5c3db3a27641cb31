"""Copies runs into a new store of their own, with the same ids, values and times."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModelStatus
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.dbmodels.models import SqlExperimentTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import SwathError, UsageError
from swath.tracking import schema
from swath.tracking.export_rows import TABLES, Rows, rows_from_client, rows_from_sql
from swath.tracking.locations import OwnFiles, keep_files_beside, local_path, location_of
from swath.tracking.misplaced import check_located
from swath.tracking.mlflow_setup import DEFAULT_FILE, FILES, make_database, sqlite_uri
from swath.tracking.stored_runs import StoredRun

AT_ONCE = 20
"""Runs whose values are in memory at a time."""

READY = LoggedModelStatus.READY.to_int()
"""Status of a logged model with all its files, as it is stored."""

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
      UsageError: the folder is not empty, or cannot be made; the runs are of several experiments; or the
        store was moved, and still refers to files elsewhere.
      SwathError: files of a finished run are missing, or a file cannot be read or written.
      MlflowException: a file cannot be downloaded.
    """
    experiments = {run.experiment_id for run in runs}
    if len(experiments) != 1:
        raise UsageError(f"--export {folder}: expected a sweep of one experiment, found {len(experiments)}")
    (experiment,) = experiments
    check_located(uri, [experiment], writes=False)
    target = _checked_target(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".swath-export-", dir=target.parent) as name:
            made = Path(name) / target.name
            made.mkdir()
            _Export(MlflowClient(tracking_uri=uri), made, target).copy(experiment, runs, copied)
            made.replace(target)
    except OSError as error:
        raise SwathError(f"--export {folder}: {_reason(error)}; nothing was exported") from error


def _checked_target(folder: Path) -> Path:
    """The absolute path of a new store's folder; the folder that it will be in is made.

    Raises:
      UsageError: the folder is not empty, is the working folder, or cannot be made.
    """
    try:
        target = folder.resolve()  # the new store records this path
        if target == Path.cwd():
            raise UsageError(f"--export {folder}: expected another folder than the working folder")
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(f"--export {folder}: expected a new or an empty folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".swath-export-", dir=target.parent):
            return target
    except (OSError, RuntimeError) as error:  # a RuntimeError if links form a circle
        raise UsageError(f"--export {folder}: the folder cannot be made ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """Why files could not be read or written, in one line."""
    if isinstance(error, shutil.Error):  # a list of source, target and reason
        source, _, reason = error.args[0][0]
        return f"{source} cannot be copied ({reason})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return str(error)


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
        self._files = OwnFiles(source.tracking_uri)

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
                is_run = table == "runs"
                owner = str(row["run_uuid"] if is_run else row["model_id"])
                parts = (owner,) if is_run else ("models", owner)
                files = Path(FILES, str(self._experiment_id), *parts, "artifacts")
                location = self._files.location(str(row["experiment_id"]), row[LOCATIONS[table]], owner)
                is_complete = row["status"] == ("FINISHED" if is_run else READY)
                self._copy_files(location, self._made / files, owner if is_complete else None)
                new[LOCATIONS[table]] = location_of(self._target / files)
            yield new

    def _copy_files(self, location: str, target: Path, complete: str | None) -> None:
        """Copy a folder of files.

        Args:
          location: location of the files.
          target: the new folder.
          complete: id of a run or model that is complete, and so must have files; None for others.
        """
        path = local_path(location)
        if path is None:
            target.mkdir(parents=True)
            repository = get_artifact_repository(location, tracking_uri=self._source.tracking_uri)
            repository.download_artifacts("", str(target))
        elif path.is_dir():
            shutil.copytree(path, target)
        elif complete is not None:
            raise SwathError(f"the files of {complete} are missing: there is no folder {path}")
