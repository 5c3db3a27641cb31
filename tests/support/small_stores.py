"""Stores with runs that were never trained: made in a second, to be read, exported and deleted."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ViewType,
)
from mlflow.tracking import MlflowClient

from swath.tracking.locations import keep_files_beside
from swath.tracking.mlflow_setup import make_database

FIRST, SECOND = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
"""Ids of sweeps."""

TABLES = (
    "runs", "tags", "params", "metrics", "latest_metrics", "inputs", "input_tags", "datasets",
    "logged_models", "logged_model_tags", "logged_model_params", "logged_model_metrics",
)  # fmt: skip
"""Tables with rows of runs."""


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def make_store(
    folder: Path, sweep_ids: Sequence[str] = (FIRST, SECOND), artifacts: Path | None = None
) -> Path:
    """Make a store in which each sweep has two runs, a summary run, a model and a view.

    All runs share a data set; each sweep has another one of its own.

    Args:
      folder: of the store.
      sweep_ids: ids of the sweeps.
      artifacts: folder of the experiment's files; None for MLflow's default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make_database(uri_of(folder))
    client = MlflowClient(uri_of(folder))
    keep_files_beside(client._tracking_client.store, uri_of(folder))
    experiment = client.create_experiment("swath", None if artifacts is None else str(artifacts))
    client.set_experiment_tag(experiment, "swath.database", str(folder / "mlflow.db"))
    for sweep_id in sweep_ids:
        client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{sweep_id}", "{}")
        for kind in ("run", "run", "sweep"):
            _make_run(client, experiment, sweep_id, kind)
        _make_model(client, experiment, sweep_id)
    return folder


def _make_run(client: MlflowClient, experiment: str, sweep_id: str, kind: str) -> None:
    tags = {"swath.sweep": "grid", "swath.sweep_id": sweep_id, "swath.kind": kind}
    run_id = client.create_run(experiment, run_name=kind, tags=tags).info.run_id
    client.log_param(run_id, "seed", "1")
    client.log_metric(run_id, "validation/accuracy", 0.5, step=0)
    client.log_text(run_id, f"of {run_id}", "config.yaml")
    client.log_inputs(
        run_id,
        [
            DatasetInput(Dataset(name, name, "local", "{}"), [InputTag("mlflow.data.context", "training")])
            for name in ("digits", sweep_id)
        ],
    )
    client.set_terminated(run_id)


def _make_model(client: MlflowClient, experiment: str, sweep_id: str) -> None:
    (run, *_) = client.search_runs([experiment], f"tags.`swath.sweep_id` = '{sweep_id}'")
    model = client.create_logged_model(
        experiment, "model", run.info.run_id, tags={"a": "b"}, params={"c": "d"}
    )
    Path(model.artifact_location).mkdir(parents=True)
    (Path(model.artifact_location) / "MLmodel").write_text("a model")
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    measured = Metric(
        "accuracy", 0.5, 5, 3, model_id=model.model_id, dataset_name="digits", dataset_digest="digits"
    )
    client.log_batch(run.info.run_id, [measured])


def run_ids_of(folder: Path, sweep_id: str) -> set[str]:
    """Ids of the runs of a sweep, also of those that are marked as deleted."""
    client = MlflowClient(uri_of(folder))
    found = client.search_runs(["1"], f"tags.`swath.sweep_id` = '{sweep_id}'", ViewType.ALL)
    return {run.info.run_id for run in found}


def count_rows(folder: Path) -> dict[str, int]:
    """Number of rows of each of `TABLES`."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return {name: database.execute(f"select count(*) from {name}").fetchone()[0] for name in TABLES}


def files_in(folder: Path) -> set[str]:
    """Paths of all files below `mlruns`."""
    return {str(path.relative_to(folder)) for path in (folder / "mlruns").rglob("*") if path.is_file()}


def copy_store(source: Path, target: Path) -> Path:
    """Copy a folder, without opening what is in it."""
    return Path(shutil.copytree(source, target))
