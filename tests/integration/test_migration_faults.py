"""Upgrades of a store that are interrupted, fail, or meet other programs."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.older_stores import COPY, digest_of, uri_of, version_of

from swath.errors import SwathError
from swath.tracking import StoreAddress, migration, open_reader
from swath.tracking.migration import upgrade
from swath.tracking.mlflow_setup import make_database, sqlite_uri
from swath.tracking.store import RunStore


@pytest.fixture
def current(tmp_path: Path) -> Path:
    """The folder of a store of the installed version."""
    make_database(uri_of(tmp_path))
    return tmp_path


def test_copy_that_cannot_be_written_leaves_the_store_as_it_is(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest_of(older / "mlflow.db")
    monkeypatch.setattr("swath.tracking.migration._keep", fail)
    with pytest.raises(OSError, match="the disk is full"):
        upgrade(uri_of(older))
    assert digest_of(older / "mlflow.db") == before
    assert [path.name for path in older.iterdir()] == ["mlflow.db"]


def fail(former: Path, database: Path) -> None:
    raise OSError("the disk is full")


KILLED = """
import os, signal, sys
import alembic.runtime.migration
from swath.tracking import migration


place, name = {"migrations": (alembic.runtime.migration.HeadMaintainer, "update_to_step")}.get(
    sys.argv[2], (migration, sys.argv[2])
)
real, calls = getattr(place, name), []
def call(*args):
    calls.append(None)
    done = real(*args)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return done
setattr(place, name, call)
migration.upgrade(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("step", "number"),
    [("_back_up", 1), ("migrations", 1), ("migrations", 5), ("_upgrade_copy", 1), ("_keep", 1)],
)
def test_upgrade_that_is_killed_changes_nothing_and_can_be_repeated(
    older: Path, step: str, number: int
) -> None:
    before, version = digest_of(older / "mlflow.db"), version_of(older / "mlflow.db")
    command = [sys.executable, "-c", KILLED, uri_of(older), step, str(number)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert digest_of(older / "mlflow.db") == before
    assert RunStore().open(StoreAddress(uri_of(older), "swath", None)).notes != ()
    assert sorted(path.name for path in older.iterdir()) == ["mlflow.db", COPY]
    assert version_of(older / COPY) == version
    assert len(open_reader(uri_of(older)).runs({"swath.sweep_id": None})) == 1


def test_a_copy_of_the_same_content_is_not_made_twice(older: Path) -> None:
    with contextlib.closing(sqlite3.connect(older / "mlflow.db")) as store:
        migration._back_up(store, older / COPY)
    with (older / COPY).open("r+b") as file:
        file.seek(24)
        file.write(b"\0\0\1\7")  # how often the file was changed
    assert upgrade(uri_of(older)).endswith(f"the copy {COPY}")
    assert sorted(path.name for path in older.iterdir()) == ["mlflow.db", COPY]


def test_a_copy_of_another_content_is_kept(older: Path) -> None:
    """Such as the only good copy of a store that an earlier version of swath upgraded by half."""
    (older / COPY).write_text("the only good one")
    assert upgrade(uri_of(older)).endswith(f"the copy {COPY}.2")
    assert (older / COPY).read_text() == "the only good one"
    with contextlib.closing(sqlite3.connect(older / f"{COPY}.2")) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_store_that_cannot_be_upgraded_is_left_alone_and_its_copies_are_named(
    current: Path,
) -> None:
    with contextlib.closing(sqlite3.connect(current / "mlflow.db")) as connection, connection:
        connection.execute("update alembic_version set version_num = '400f98739977'")  # as if by half
    (current / COPY).write_text("the only good one")
    before = digest_of(current / "mlflow.db")
    with pytest.raises(SwathError, match=rf"cannot be upgraded .* copies of earlier upgrades: .*/{COPY}$"):
        upgrade(uri_of(current))
    assert digest_of(current / "mlflow.db") == before
    assert sorted(path.name for path in current.iterdir()) == ["mlflow.db", COPY]


def test_no_other_program_writes_during_an_upgrade(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = migration._upgrade_copy

    def interfere(copy: Path, database: Path) -> None:
        other = sqlite3.connect(database, timeout=0)
        with contextlib.closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("delete from params")
        real(copy, database)

    monkeypatch.setattr(migration, "_upgrade_copy", interfere)
    upgrade(uri_of(older))
    assert open_reader(uri_of(older)).runs({"swath.sweep_id": None})[0].params != {}


def test_what_another_program_writes_meanwhile_is_not_lost(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With write-ahead logging, an open connection cannot be kept from writing."""
    real = migration._upgrade_copy
    with contextlib.closing(sqlite3.connect(older / "mlflow.db")) as other:
        other.execute("pragma journal_mode = wal")
        other.execute("select count(*) from params").fetchall()

        def interfere(copy: Path, database: Path) -> None:
            other.execute("update params set value = '3e-06' where key = 'learning_rate'")
            other.commit()
            real(copy, database)

        monkeypatch.setattr(migration, "_upgrade_copy", interfere)
        with pytest.raises(SwathError, match=r"another program changed .* during its upgrade"):
            upgrade(uri_of(older))
        monkeypatch.undo()
        upgrade(uri_of(older))
    assert open_reader(uri_of(older)).runs({"swath.sweep_id": None})[0].params["learning_rate"] == "3e-06"


def test_locked_store_is_reported_in_one_sentence(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.migration.WAIT_S", 0.1)
    with contextlib.closing(sqlite3.connect(older / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(SwathError, match="is locked by another program"):
            upgrade(uri_of(older))


def test_store_behind_a_link_is_upgraded_in_its_place(
    older: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("50% [a] #b")
    (folder / "mlflow.db").symlink_to(older / "mlflow.db")
    upgrade(sqlite_uri(folder / "mlflow.db"))
    assert (folder / "mlflow.db").is_symlink()
    assert open_reader(uri_of(older)).runs({"swath.sweep_id": None}) != []
