"""Deletes runs for good: their rows, files, logged models and views.

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
from swath.tracking.locations import check_located, local_path
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


def plan_deletion(uri: str, runs: Sequence[StoredRun]) -> Deletion:
    """What deleting runs removes. Nothing is changed.

    Args:
      uri: address of the store.
      runs: runs with all their files, summary runs included.

    Raises:
      UsageError: the store refers to files of another one, or a run is registered as a model.
    """
    client = MlflowClient(tracking_uri=uri)
    experiments = sorted({run.experiment_id for run in runs})
    check_located(uri, experiments)
    ids = {run.run_id for run in runs}
    _check_unregistered(client, ids)
    models = [model for model in _logged_models(client, experiments) if model.source_run_id in ids]
    sweeps = {run.tags.get(schema.SWEEP_ID) for run in runs}
    views = [
        (experiment, name)
        for experiment in experiments
        for name in client.get_experiment(experiment).tags
        if name.startswith(schema.SHARED_VIEW_PREFIX)
        and name.removeprefix(schema.SHARED_VIEW_PREFIX) in sweeps
    ]
    locations = [run.artifact_uri for run in runs] + [model.artifact_location for model in models]
    folders = [path for location in locations if (path := local_path(location)) is not None]
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


def _logged_models(client: MlflowClient, experiments: Sequence[str]) -> list[LoggedModel]:
    found: list[LoggedModel] = []
    token: str | None = None
    while True:
        page = client.search_logged_models(list(experiments), page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def delete(plan: Deletion, deleted: Callable[[int], None] = lambda count: None) -> None:
    """Delete what a plan lists. If it is interrupted, the same plan can be made and carried out again.

    Args:
      plan: made by `plan_deletion`.
      deleted: called with 1 after each run.

    Raises:
      MlflowException, OSError: something could not be deleted.
    """
    client = MlflowClient(tracking_uri=plan.uri)
    store = client._tracking_client.store
    final = store if isinstance(store, SqlAlchemyStore) else None
    for experiment, name in plan.views:
        client.delete_experiment_tag(experiment, name)
    for model in plan.models:
        client.delete_logged_model(model.model_id)
        if final is not None:
            _delete_files(model.artifact_location)
            final._hard_delete_logged_model(model.model_id)
    # A summary run goes last, so that the sweep can be found until everything else is gone.
    for run in sorted(plan.runs, key=lambda run: run.tags.get(schema.KIND) == "sweep"):
        client.delete_run(run.run_id)
        if final is not None:
            _delete_files(run.artifact_uri)
            final._hard_delete_run(run.run_id)
        deleted(1)


def _delete_files(location: str) -> None:
    """Remove a folder of artifacts, and the folder of its run or model."""
    path = local_path(location)
    if path is None:
        get_artifact_repository(location).delete_artifacts()
        return
    shutil.rmtree(path, ignore_errors=not path.exists())
    with contextlib.suppress(OSError):  # something else is in there
        Path(path).parent.rmdir()
