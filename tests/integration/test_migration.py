"""Stores whose tables another version of MLflow made."""

import contextlib
import sqlite3
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from support.older_stores import COPY, digest_of, uri_of, version_of

from swath.errors import SwathError
from swath.tracking import StoreAddress, open_reader
from swath.tracking.migration import upgrade
from swath.tracking.mlflow_setup import make_database
from swath.tracking.sql_steps import untested_version
from swath.tracking.store import RunStore


def tables_of(database: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def test_older_store_is_upgraded_and_a_copy_is_kept(older: Path) -> None:
    before = version_of(older / "mlflow.db")
    with pytest.raises(SwathError, match="made by an older version of MLflow"):
        open_reader(uri_of(older))
    line = upgrade(uri_of(older))
    assert line == (
        f"upgraded the tables of mlflow.db for MLflow {mlflow.__version__}; older versions of MLflow can "
        f"only read the copy {COPY}"
    )
    assert sorted(path.name for path in older.iterdir()) == ["mlflow.db", COPY]
    assert version_of(older / COPY) == before
    assert version_of(older / "mlflow.db") != before
    assert tables_of(older / COPY) < tables_of(older / "mlflow.db")
    (run,) = open_reader(uri_of(older)).runs({"swath.sweep_id": None})
    assert (run.params["learning_rate"], run.metrics["test/accuracy"]) == ("1e-06", 0.5)
    (curve,) = open_reader(uri_of(older)).curves([run.run_id], ["train/loss"])
    assert curve.values.tolist() == [2.0, 1.0]


def test_copy_is_a_whole_store(older: Path) -> None:
    tables = ("runs", "params", "tags", "metrics", "latest_metrics", "experiments")

    def rows(name: str) -> dict[str, list[tuple[object, ...]]]:
        with contextlib.closing(sqlite3.connect(older / name)) as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            return {table: connection.execute(f"select * from {table}").fetchall() for table in tables}

    before = rows("mlflow.db")
    assert all(before.values())
    assert upgrade(uri_of(older)) != ""
    assert rows(COPY) == before
    kept = digest_of(older / COPY)
    assert upgrade(uri_of(older)) == ""
    assert digest_of(older / COPY) == kept, "it is upgraded once"


def test_changes_that_are_not_yet_in_the_file_itself_are_in_the_copy(older: Path) -> None:
    """A program that uses write-ahead logging keeps changes in a second file for a while."""
    with contextlib.closing(sqlite3.connect(older / "mlflow.db")) as other:
        other.execute("pragma journal_mode = wal")
        other.execute("update params set value = '3e-06' where key = 'learning_rate'")
        other.commit()
        upgrade(uri_of(older))
    with contextlib.closing(sqlite3.connect(older / COPY)) as connection:
        ((value,),) = connection.execute("select value from params where key = 'learning_rate'")
    assert value == "3e-06"


def test_opening_a_store_to_write_upgrades_it_and_says_so(older: Path) -> None:
    store = RunStore()
    address = StoreAddress(uri_of(older), "swath", None)
    (note,) = store.open(address).notes
    assert note.startswith("upgraded the tables of mlflow.db for MLflow ")
    assert RunStore().open(address).notes == ()


@pytest.fixture
def current(tmp_path: Path) -> Path:
    """The folder of a store of the installed version."""
    make_database(uri_of(tmp_path))
    return tmp_path


def test_store_of_the_installed_version_is_left_alone(current: Path) -> None:
    before = digest_of(current / "mlflow.db")
    assert upgrade(uri_of(current)) == ""
    assert digest_of(current / "mlflow.db") == before
    assert [path.name for path in current.iterdir()] == ["mlflow.db"]


def test_newer_store_is_refused_and_unchanged(current: Path) -> None:
    with contextlib.closing(sqlite3.connect(current / "mlflow.db")) as connection, connection:
        connection.execute("update alembic_version set version_num = 'ffffffffffff'")
    before = digest_of(current / "mlflow.db")
    refused = r"made by a newer version of MLflow than the installed .*pip install --upgrade mlflow"
    for call in (upgrade, lambda uri: RunStore().open(StoreAddress(uri, "swath", None))):
        with pytest.raises(SwathError, match=refused):
            call(uri_of(current))
    assert digest_of(current / "mlflow.db") == before
    assert [path.name for path in current.iterdir()] == ["mlflow.db"]


def test_database_without_a_version_is_refused_and_unchanged(current: Path) -> None:
    with contextlib.closing(sqlite3.connect(current / "mlflow.db")) as connection, connection:
        connection.execute("delete from alembic_version")
    before = digest_of(current / "mlflow.db")
    with pytest.raises(SwathError, match="is not an MLflow store: its tables have no version"):
        upgrade(uri_of(current))
    assert digest_of(current / "mlflow.db") == before


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "postgresql://host/db", "sqlite:///:memory:", "x"])
def test_only_a_file_is_upgraded(uri: str) -> None:
    assert upgrade(uri) == ""


def test_file_that_does_not_exist_or_has_no_runs_is_left_alone(tmp_path: Path) -> None:
    assert upgrade(uri_of(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("create table other (x int)")
    assert upgrade(uri_of(tmp_path)) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("version", ["3.17.0", "3.17.2", "3.18.0", "3.18.11"])
def test_nothing_is_said_about_a_tested_version(
    current: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swath.tracking.tables.mlflow_version", lambda: version)
    monkeypatch.setattr("swath.tracking.sql_steps.mlflow_version", lambda: version)
    assert untested_version(MlflowClient(uri_of(current))) == ""


@pytest.mark.parametrize("version", ["3.16.9", "3.19.0", "3.1.7", "4.0.0", "3.170.0"])
def test_untested_version_is_named(current: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.tables.mlflow_version", lambda: version)
    monkeypatch.setattr("swath.tracking.sql_steps.mlflow_version", lambda: version)
    assert untested_version(MlflowClient(uri_of(current))) == (
        f"MLflow {version} was not tested with swath, so steps are stored by its own calls, which takes "
        "5 times as long; tested: 3.17.x and 3.18.x"
    )
    assert untested_version(MlflowClient("http://127.0.0.1:9")) == "", "a server writes its own tables"
