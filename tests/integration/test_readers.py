"""A store that MLflow wrote, read with SQL and with MLflow's client."""

import gc
import math
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Metric, RunTag
from mlflow.tracking import MlflowClient

from swath.analysis import Sweep, all_of, all_sweeps, find_sweep
from swath.errors import SwathError
from swath.tracking import open_reader
from swath.tracking.server_reader import ClientReader
from swath.tracking.sql_reader import SqlReader

VALUES = [0.5, math.nan, math.inf, -math.inf, 0.1 + 0.2]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two sweeps with the same name, a running sweep, runs of other programs, and a deleted run."""
    folder = tmp_path_factory.mktemp("store")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("swath", str(folder / "mlruns"))

    def add(sweep: str, sweep_id: str, rate: str, status: str | None, kind: str = "run") -> str:
        tags = {"swath.sweep": sweep, "swath.sweep_id": sweep_id, "swath.kind": kind}
        run_id: str = client.create_run(experiment, run_name=f"rate\n{rate}", tags=tags).info.run_id
        steps = [Metric("train/loss", value, 5, step) for step, value in enumerate(VALUES)]
        accuracy = Metric("validation/accuracy", 1 - float(rate), 5, 0)
        client.log_batch(run_id, [*steps, accuracy], [], [RunTag("note", 'it\'s "one"')])
        client.log_param(run_id, "learning_rate", rate)
        if status is not None:
            client.set_terminated(run_id, status)
        return run_id

    for rate in ("0.5", "0.25"):
        add("rates", "aaaaaaaaaaaa", rate, "FINISHED")
    add("rates", "aaaaaaaaaaaa", "0.75", "FAILED")
    add("rates", "bbbbbbbbbbbb", "0.5", "FINISHED")
    add("rates", "bbbbbbbbbbbb", "0.1", None)
    add("o'\"brien", "cccccccccccc", "0.5", "FAILED")
    client.delete_run(add("rates", "bbbbbbbbbbbb", "0.01", "FINISHED"))
    client.create_run(experiment, run_name="somebody else's")
    yield folder
    client._tracking_client.store._dispose_engine()


def sql(store: Path) -> SqlReader:
    return SqlReader(f"sqlite:///{store}/mlflow.db")


def test_sql_and_client_readers_return_the_same(store: Path) -> None:
    direct, client = sql(store), ClientReader(f"sqlite:///{store}/mlflow.db")
    for tags in (
        {"swath.sweep_id": None},
        {"swath.sweep": "rates", "swath.kind": "run"},
        {"swath.sweep": "o'\"brien"},
    ):
        runs = direct.runs(tags)
        assert runs
        assert [str(run) for run in runs] == [
            str(run) for run in client.runs(tags)
        ]  # nan is not equal to nan
    ids = [run.run_id for run in direct.runs({"swath.kind": "run"})]
    curves = direct.curves(ids, ["train/loss", "validation/accuracy"])
    assert len(curves) == 2 * len(ids)
    for ours, theirs in zip(curves, client.curves(ids, ["train/loss", "validation/accuracy"]), strict=True):
        assert (ours.run_id, ours.metric) == (theirs.run_id, theirs.metric)
        np.testing.assert_array_equal(ours.steps, theirs.steps)
        np.testing.assert_array_equal(ours.values, theirs.values)
    np.testing.assert_array_equal(curves[0].values, VALUES)
    assert str(direct.run(ids[0])) == str(client.run(ids[0]))
    assert direct.run("0" * 32) is None
    assert client.run("0" * 32) is None


def test_reading_changes_nothing(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(store, tmp_path / "copy"))
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    reader = open_reader(f"sqlite:///{copy}/mlflow.db")
    all_sweeps(reader)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_runs_beyond_the_limit_of_one_query_are_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.sql_reader.AT_ONCE", 2)
    monkeypatch.setattr("swath.tracking.server_reader.PAGE", 2)
    direct, client = sql(store), ClientReader(f"sqlite:///{store}/mlflow.db")
    ids = [run.run_id for run in direct.runs({"swath.kind": "run"})]
    assert len(ids) == 6
    assert [run.run_id for run in client.runs({"swath.kind": "run"})] == ids
    assert [curve.run_id for curve in direct.curves(ids, ["train/loss"])] == ids


def test_a_former_name_of_a_tag_counts_only_where_the_present_one_is_missing(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.create_experiment("swath", str(tmp_path / "mlruns"))
    for name, tags in {
        "both": {"swath.lane": "old", "mlflow.swath.lane": "new"},
        "former": {"swath.lane": "old"},
        "present": {"mlflow.swath.lane": "old"},
        "none": {"swath.sweep": "old"},
    }.items():
        client.create_run(experiment, run_name=name, tags=tags)
    for reader in (sql(tmp_path), ClientReader(f"sqlite:///{tmp_path}/mlflow.db")):
        found = {
            value: {run.name for run in reader.runs({"mlflow.swath.lane": value})}
            for value in ("old", "new", None)
        }
        assert found == {
            "old": {"former", "present"},
            "new": {"both"},
            None: {"both", "former", "present"},
        }


def test_runs_that_are_marked_as_deleted_are_read_on_demand(store: Path) -> None:
    for reader in (sql(store), ClientReader(f"sqlite:///{store}/mlflow.db")):
        tags = {"swath.sweep_id": "bbbbbbbbbbbb"}
        assert len(reader.runs(tags, deleted=True)) == len(reader.runs(tags)) + 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files")
def test_readers_leave_no_file_open(store: Path) -> None:
    gc.disable()  # a reader is not closed, so nothing may depend on when it is collected
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            reader = sql(store)
            ids = [run.run_id for run in reader.runs({"swath.kind": "run"})]
            assert reader.curves(ids, ["train/loss"])
        assert len(list(Path("/proc/self/fd").iterdir())) <= before
    finally:
        gc.enable()


def test_status_of_a_sweep_is_that_of_its_summary_run_when_no_run_is_running(store: Path) -> None:
    (run, *_) = sql(store).runs({"swath.sweep_id": "aaaaaaaaaaaa"})
    finished = replace(run, status="FINISHED")
    killed = replace(run, status="KILLED", tags={"swath.kind": "sweep"})
    assert Sweep("a", "b", (finished,), killed).status == "KILLED"
    assert Sweep("a", "b", (finished,), None).status == "FINISHED"
    assert Sweep("a", "b", (finished, replace(run, status="FAILED")), None).status == "FAILED"


def test_sweeps_of_a_store_are_listed(store: Path) -> None:
    first, second, third = all_sweeps(sql(store))
    assert (first.name, first.sweep_id, first.counts) == (
        "rates",
        "aaaaaaaaaaaa",
        {"FINISHED": 2, "FAILED": 1},
    )
    assert first.swept == ("learning_rate",)
    assert (second.status, second.counts) == ("RUNNING", {"FINISHED": 1, "RUNNING": 1})
    assert (third.name, third.finished) == ("o'\"brien", ())


def test_sweeps_are_found_by_name_and_by_id(store: Path) -> None:
    reader = sql(store)
    assert find_sweep(reader, "rates").sweep_id == "bbbbbbbbbbbb"
    assert find_sweep(reader, "aaaaaaaaaaaa").sweep_id == "aaaaaaaaaaaa"
    assert find_sweep(reader, "o'\"brien").sweep_id == "cccccccccccc"
    together = all_of(reader, "rates").runs
    assert sorted(run.params["learning_rate"] for run in together) == ["0.1", "0.25", "0.5", "0.75"]
    (repeated,) = [run for run in together if run.params["learning_rate"] == "0.5"]
    assert repeated.tags["swath.sweep_id"] == "bbbbbbbbbbbb", "the latest"


def test_unknown_sweep_suggests_the_nearest_name(store: Path) -> None:
    with pytest.raises(SwathError, match=r"no sweep 'rate' in this store; nearest: rates"):
        find_sweep(sql(store), "rate")
    with pytest.raises(SwathError, match=r"expected one of o'\"brien, rates"):
        all_of(sql(store), "zzz")


def test_missing_store_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        SwathError, match=r"no store at .*/mlflow.db; go to the folder of a sweep, or name the store"
    ):
        open_reader(f"sqlite:///{tmp_path}/mlflow.db")
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_not_a_store_is_reported(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("create table other (x int)")
    with pytest.raises(SwathError, match="is not an MLflow store: it has no table of runs"):
        open_reader(f"sqlite:///{tmp_path}/mlflow.db")


def test_store_of_another_schema_suggests_a_command(store: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(store / "mlflow.db", tmp_path / "old.db"))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("update alembic_version set version_num = 'ffffffffffff'")
    with pytest.raises(
        SwathError, match=r"made by a newer version of MLflow than .*pip install --upgrade mlflow"
    ):
        open_reader(f"sqlite:///{copy}")
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("update alembic_version set version_num = '451aebb31d03'")
    with pytest.raises(SwathError, match=f"mlflow db upgrade sqlite:///{copy}"):
        open_reader(f"sqlite:///{copy}")


def test_reading_does_not_load_tensorflow(store: Path) -> None:
    code = "import sys; import swath.cli.compare_report; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
