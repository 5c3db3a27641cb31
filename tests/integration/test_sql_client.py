"""What is written without MLflow is what MLflow writes: after the same calls, all rows are equal."""

import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import DatasetInfo, RunInfo, RunSummary, StoreAddress, mlflow_runs, schema
from swath.tracking.client import AnyRun, Client, mlflow_client
from swath.tracking.entities import Metric
from swath.tracking.locations import keep_files_beside
from swath.tracking.mlflow_setup import make_database, sqlite_uri
from swath.tracking.opening import connect
from swath.tracking.sql_client import SqlClient, run_files
from swath.tracking.sql_start import described_run, new_run
from swath.tracking.sql_steps import SqlSteps, sql_steps
from swath.tracking.store import RunStore

TABLES = (
    "experiments",
    "experiment_tags",
    "runs",
    "tags",
    "params",
    "metrics",
    "latest_metrics",
    "datasets",
    "inputs",
    "input_tags",
)

INFO = RunInfo(
    "batch_size=10 é",
    {"batch_size": "10", "learning_rate": "1e-05", "empty": "", "long": "x" * 7_000},
    {"swath.kind": "run", "mlflow.user": "somebody", "swath.long": "y" * 9_000},
    DatasetInfo("cifar10", "d" * 64, "https://example.org", {"training": 50_000, "test": 10_000}),
    "a: 1\n",
    "[]\n",
)

CHANGING = re.compile(r"[0-9a-f]{32}|\b1[6-9]\d{11}\b")
"""Ids and times."""


@pytest.fixture(params=["directly", "by MLflow"])
def client(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a new store, of each kind."""
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path.parent / "cache"))
    return made(tmp_path, directly=request.param == "directly")


def made(folder: Path, *, directly: bool) -> Client:
    uri = sqlite_uri(folder / "mlflow.db")
    make_database(uri)
    if directly:
        found = connect(uri)
        assert isinstance(found, SqlClient)
        return found
    by_mlflow = MlflowClient(tracking_uri=uri)
    keep_files_beside(by_mlflow._tracking_client.store, uri)
    return by_mlflow


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the store, without what differs from run to run."""
    found = {}
    with sqlite3.connect(folder / "mlflow.db") as store:
        for table in TABLES:
            columns = [row[1] for row in store.execute(f"pragma table_info({table})")]
            lines = store.execute(f"select {', '.join(sorted(columns))} from {table}").fetchall()
            found[table] = sorted(
                tuple(CHANGING.sub("*", str(value)).replace(str(folder), "HERE") for value in line)
                for line in lines
            )
    return found


def both(tmp_path: Path, act: Callable[[Client], object]) -> None:
    """Act on a store of each kind, and compare them."""
    stores = {}
    for directly in (True, False):
        folder = tmp_path / str(directly)
        folder.mkdir()
        act(made(folder, directly=directly))
        stores[directly] = rows(folder)
    assert stores[True] == stores[False]
    assert sum(map(len, stores[True].values())) > 1


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))


def experiment_of(client: Client) -> str:
    return mlflow_runs.experiment_id(client, StoreAddress(client.tracking_uri, "swath", None))


def test_experiments(tmp_path: Path) -> None:
    def act(client: Client) -> None:
        first = experiment_of(client)
        assert first == experiment_of(client) == "1"
        client.set_experiment_tag(first, "a", "1")
        client.set_experiment_tag(first, "a", "2 ü")
        client.set_experiment_tag(first, "b", "")
        found = client.get_experiment_by_name("swath")
        assert found is not None
        assert found.tags["a"] == "2 ü" and found.lifecycle_stage == "active"
        assert client.get_experiment(first).artifact_location == found.artifact_location
        assert client.get_experiment_by_name("another") is None

    both(tmp_path, act)


def test_runs(tmp_path: Path) -> None:
    def act(client: Client) -> None:
        experiment = experiment_of(client)
        tags = {"swath.kind": "sweep", "mlflow.user": "me", "swath.sweep_id": "0"}
        run = client.create_run(experiment, start_time=1_000, tags=tags, run_name="sweep 1")
        run_id = run.info.run_id
        values = [Metric("best", 0.5, 3, 0), Metric("best", 0.25, 2, 1), Metric("loss", float("nan"), 3, 0)]
        mlflow_runs.log(client, run_id, values, {"note": "first"})
        mlflow_runs.log(client, run_id, values, {"note": "second", "more": "1"})
        mlflow_runs.log(client, run_id, [Metric("best", 9.0, 9, 0), Metric("loss", float("-inf"), 4, 0)])
        client.set_tag(run_id, "more", "2")
        client.delete_tag(run_id, "note")
        client.update_run(run_id, status="RUNNING")
        client.update_run(run_id, name="another name")
        client.set_terminated(run_id, "KILLED", 2_000)
        untold = client.create_run(experiment, run_name="a run")
        client.set_terminated(untold.info.run_id, "FINISHED")

    both(tmp_path, act)


def begin(client: Client, steps: SqlSteps | None) -> str:
    """Begin a run as a tracking process does, at once or through MLflow's own calls."""
    experiment = experiment_of(client)
    if steps is not None:
        place = client.get_experiment(experiment).artifact_location
        new = new_run(INFO, INFO.tags, experiment, place)
        steps.start(new)
        steps.start(new)  # repeated, because nobody answered
        return new.run_id
    run_id: str = client.create_run(experiment, run_name=INFO.name, tags=INFO.tags).info.run_id
    client.set_tag(run_id, "swath.long", INFO.tags["swath.long"])  # MLflow shortens it here only
    mlflow_runs.describe(mlflow_client(client), run_id, INFO)
    return run_id


def test_runs_that_begin_at_once(tmp_path: Path) -> None:
    def act(client: Client) -> None:
        steps = sql_steps(client) if isinstance(client, SqlClient) else None
        for _ in range(2):  # the second uses the data set of the first
            begin(client, steps)

    both(tmp_path, act)


def test_runs_that_are_described_later(tmp_path: Path) -> None:
    def act(client: Client) -> None:
        experiment = experiment_of(client)
        run_id = client.create_run(experiment, run_name="a run").info.run_id
        for _ in range(2):
            if isinstance(client, SqlClient):
                steps = sql_steps(client)
                assert steps is not None
                steps.describe(described_run(run_id, INFO, experiment))
            else:
                mlflow_runs.describe(client, run_id, INFO)

    both(tmp_path, act)


def seen(run: AnyRun) -> tuple[Any, ...]:
    info = run.info
    return (
        (info.run_id, info.run_name, info.experiment_id, info.status, info.start_time, info.end_time),
        info.artifact_uri,
        run.data.tags,
        run.data.params,
        {name: str(value) for name, value in run.data.metrics.items()},
        mlflow_runs.last_steps(run),
        len(run.inputs.dataset_inputs),
    )


def test_runs_are_read_as_mlflow_reads_them(tmp_path: Path) -> None:
    direct = made(tmp_path, directly=True)
    by_mlflow = MlflowClient(tracking_uri=direct.tracking_uri)
    run_id = begin(direct, sql_steps(direct))
    assert isinstance(direct, SqlClient)
    values = [Metric("a", 1.0, 1, 0), Metric("a", 2.0, 2, 7), Metric("b", float("nan"), 1, 3)]
    direct.log_batch(run_id, values)
    other = direct.create_run("1", run_name="another", tags={"swath.kind": "sweep"}).info.run_id
    for each in (run_id, other):
        assert seen(direct.get_run(each)) == seen(by_mlflow.get_run(each))
    assert [run.info.run_id for run in direct.runs_with_tags("1", {"swath.kind": "run"})] == [run_id]
    by_mlflow.delete_run(run_id)
    assert direct.runs_with_tags("1", {"swath.kind": "run"}) == []
    deleted = by_mlflow.search_runs(["1"], run_view_type=ViewType.DELETED_ONLY)
    assert [run.info.run_id for run in deleted] == [run_id]


def test_what_is_not_there_or_deleted_is_not_written(client: Client) -> None:
    experiment = experiment_of(client)
    run_id = client.create_run(experiment, run_name="a run").info.run_id
    mlflow_client(client).delete_run(run_id)
    refused: list[Callable[[], object]] = [
        lambda: client.get_run("0" * 32),
        lambda: client.get_experiment("99"),
        lambda: client.create_run("99", run_name="a run"),
        lambda: client.set_tag(run_id, "a", "1"),
        lambda: client.update_run(run_id, name="b"),
        lambda: client.set_terminated(run_id, "KILLED"),
    ]
    for act in refused:
        with pytest.raises(SwathError if isinstance(client, SqlClient) else MlflowException):
            act()
    mlflow_client(client).delete_experiment(experiment)
    with pytest.raises((SwathError, MlflowException), match=r"deleted|active"):
        client.create_run(experiment, run_name="a run")


@pytest.mark.parametrize(
    "place", ["s3://bucket/runs", "s3://bucket/runs/", "/home/me/mlruns/1", "file:///a%20b/1"]
)
def test_place_of_a_run_is_that_of_mlflow(place: str) -> None:
    from mlflow.utils.uri import append_to_uri_path

    run_id = "0" * 32
    assert run_files(place, run_id) == append_to_uri_path(place, run_id, "artifacts")
    query = f"{place}?endpoint=a"
    assert run_files(query, run_id) == append_to_uri_path(query, run_id, "artifacts") or "://" not in query


def test_run_of_a_deleted_experiment_does_not_begin(tmp_path: Path) -> None:
    direct = made(tmp_path, directly=True)
    steps, experiment = sql_steps(direct), experiment_of(direct)
    assert steps is not None
    place = direct.get_experiment(experiment).artifact_location
    mlflow_client(direct).delete_experiment(experiment)
    with pytest.raises(SwathError, match="experiment 1 has been deleted"):
        steps.start(new_run(INFO, INFO.tags, experiment, place))
    assert rows(tmp_path)["runs"] == rows(tmp_path)["tags"] == []


def test_variables_for_mlflows_connections_are_left_to_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = sqlite_uri(tmp_path / "mlflow.db")
    make_database(uri)
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "3")
    assert isinstance(connect(uri), MlflowClient)


def test_stores_with_workspaces_are_left_to_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = sqlite_uri(tmp_path / "mlflow.db")
    make_database(uri)
    assert isinstance(connect(uri), SqlClient)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_ENABLE_WORKSPACES", "false")
        assert isinstance(connect(uri), MlflowClient)
    teams = tmp_path / "teams.db"  # MLflow keeps the stores it has opened, by their address
    shutil.copyfile(tmp_path / "mlflow.db", teams)
    with sqlite3.connect(teams) as store:
        store.execute("update experiments set workspace = 'another team'")
    with pytest.raises(MlflowException, match="workspaces"):
        connect(sqlite_uri(teams)).get_experiment("0")


def test_other_databases_get_the_beginning_of_a_run_from_mlflow(tmp_path: Path) -> None:
    """Their steps and ends are written directly; they have no statement for rows that may be there."""
    direct = made(tmp_path, directly=True)
    store = RunStore()
    store.open(StoreAddress(direct.tracking_uri, "swath", None))
    store._client = mlflow_client(direct)
    assert store.stores_together
    described = replace(INFO, params={**INFO.params, "max_steps": "3"})
    run_id = store.start_run(0, INFO)
    store.end_run(0, RunSummary("FINISHED", {"a": 1.0}, described=described, tags={"swath.bits": "b"}))
    found = direct.get_run(run_id)
    assert (found.info.status, found.data.params["max_steps"], found.data.metrics["a"]) == (
        "FINISHED",
        "3",
        1.0,
    )
    assert len(found.inputs.dataset_inputs) == 1


def test_experiments_of_different_stores_differ_in_their_age(tmp_path: Path) -> None:
    ages = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made(tmp_path / name, directly=True)
        with sqlite3.connect(tmp_path / name / "mlflow.db") as store:
            ages += store.execute("select creation_time from experiments").fetchall()
        time.sleep(0.01)
    assert len(set(ages)) == 2


def test_schema_has_the_tag_of_the_name() -> None:
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

    assert schema.RUN_NAME == MLFLOW_RUN_NAME
