"""Deletes sweeps for good: the rows of their runs, their files, logged models and views.

`mlflow gc` would also delete everything else that was marked as deleted, so it is not used.
"""

import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import LoggedModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import UsageError
from swath.tracking import schema
from swath.tracking.address import is_server
from swath.tracking.deletion_rows import delete_links, models_of
from swath.tracking.locations import OwnFiles, local_path
from swath.tracking.misplaced import check_located
from swath.tracking.reader import open_reader
from swath.tracking.stored_runs import StoredRun


@dataclass(frozen=True)
class Deletion:
    """What would be deleted.

    Attributes:
      uri: address of the store.
      runs: the runs, summary runs included.
      models: their logged models.
      views: id of the experiment and name of the tag of each registered view.
      files: number of files on this machine.
      bytes: their size.
    """

    uri: str
    runs: Sequence[StoredRun]
    models: Sequence[LoggedModel]
    views: Sequence[tuple[str, str]]
    files: int
    bytes: int

    @property
    def is_final(self) -> bool:
        """Whether everything is removed; a server only marks runs as deleted and keeps their files."""
        return not is_server(self.uri)

    @property
    def sweep_ids(self) -> set[str]:
        """Ids of the sweeps whose runs are deleted."""
        return {run.tags[schema.SWEEP_ID] for run in self.runs}


def plan_deletion(uri: str, sweep_ids: Sequence[str]) -> Deletion:
    """What deleting sweeps removes. Nothing is changed.

    Runs that are only marked as deleted are included: they may be what an interrupted deletion left.

    Args:
      uri: address of the store.
      sweep_ids: ids of the sweeps.

    Raises:
      UsageError: the store refers to files of another one, a run is registered as a model, or a location is
        not one that MLflow gives to files.
    """
    reader = open_reader(uri)
    is_final = not is_server(uri)
    found = [reader.runs({schema.SWEEP_ID: identity}, deleted=is_final) for identity in sweep_ids]
    runs = [run for runs in found for run in runs]
    client = MlflowClient(tracking_uri=uri)
    experiments = sorted({run.experiment_id for run in runs})
    check_located(uri, experiments)
    ids = {run.run_id for run in runs}
    _check_unregistered(client, ids)
    models = models_of(client, experiments, ids)
    views = [
        (experiment, name)
        for experiment in experiments
        for name in client.get_experiment(experiment).tags
        if name.startswith(schema.SHARED_VIEW_PREFIX)
        and name.removeprefix(schema.SHARED_VIEW_PREFIX) in set(sweep_ids)
    ]
    folders = _folders(uri, runs, models) if is_final else []
    sizes = [file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()]
    return Deletion(uri, runs, models, views, len(sizes), sum(sizes))


def _check_unregistered(client: MlflowClient, run_ids: set[str]) -> None:
    token: str | None = None
    while True:
        page = client.search_model_versions(page_token=token)
        for version in page:
            if version.run_id in run_ids:
                raise UsageError(
                    f"run {version.run_id} is registered as models:/{version.name}/{version.version}; delete "
                    "this version first, on MLflow's page Models"
                )
        token = page.token
        if not token:
            return


def _folders(uri: str, runs: Sequence[StoredRun], models: Sequence[LoggedModel]) -> list[Path]:
    """The folders on this machine that a deletion removes.

    Raises:
      UsageError: a location does not end with the id of its run or model: it may be any folder.
    """
    files = OwnFiles(uri)
    owners = [(run.experiment_id, run.artifact_uri, run.run_id) for run in runs]
    owners += [(model.experiment_id, model.artifact_location, model.model_id) for model in models]
    found = []
    for experiment_id, recorded, owner in owners:
        path = local_path(files.location(experiment_id, recorded, owner))
        if path is None:
            continue
        if path.parts[-2:] != (owner, ARTIFACTS) or ".." in path.parts:
            raise UsageError(
                f"{owner} refers to {path}, expected .../{owner}/{ARTIFACTS}; nothing is deleted"
            )
        found.append(path)
    return found


ARTIFACTS = "artifacts"
"""Name that MLflow gives to the folder of a run's or a model's files."""


def delete(plan: Deletion, deleted: Callable[[int], None] = lambda count: None) -> None:
    """Delete what a plan lists. If it is interrupted, the deletion can be planned and carried out again.

    Files go before the rows that name them, and a sweep's summary run goes last, so that what is left can be
    found.

    Args:
      plan: made by `plan_deletion`.
      deleted: called with 1 after each run.

    Raises:
      MlflowException, OSError: something could not be deleted.
    """
    client = MlflowClient(tracking_uri=plan.uri)
    store = client._tracking_client.store
    runs = sorted(plan.runs, key=lambda run: run.tags.get(schema.KIND) == "sweep")
    if isinstance(store, SqlAlchemyStore):
        files = OwnFiles(plan.uri)
        for model in plan.models:
            _delete_files(files.location(model.experiment_id, model.artifact_location, model.model_id))
            delete_links(store.engine, model.model_id)
            store._hard_delete_logged_model(model.model_id)
        for experiment, name in plan.views:
            client.delete_experiment_tag(experiment, name)
        for run in runs:
            _delete_files(files.location(run.experiment_id, run.artifact_uri, run.run_id))
            delete_links(store.engine, run.run_id)
            store._hard_delete_run(run.run_id)
            deleted(1)
        return
    for model in plan.models:
        client.delete_logged_model(model.model_id)
    for experiment, name in plan.views:
        client.delete_experiment_tag(experiment, name)
    for run in runs:
        client.delete_run(run.run_id)
        deleted(1)


def _delete_files(location: str) -> None:
    """Remove a folder of artifacts, and the folder of its run or model."""
    path = local_path(location)
    if path is None:
        get_artifact_repository(location).delete_artifacts()
        return
    shutil.rmtree(path, ignore_errors=not path.exists())
    with contextlib.suppress(OSError):  # something else is in there
        path.parent.rmdir()
