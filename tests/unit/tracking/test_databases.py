"""Drivers that are missing, and which errors of a database pass."""

import sqlite3
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from swath.errors import UsageError
from swath.tracking.databases import check_database, is_passing, passing_reason
from swath.tracking.mlflow_setup import error_line, is_unreachable


@pytest.mark.parametrize(
    ("address", "module", "what"),
    [
        (
            "postgresql+psycopg://me@host/x",
            "psycopg",
            "needs psycopg, .* type: pip install 'swath\\[postgres\\]'",
        ),
        ("postgresql+psycopg2://me@host/x", "psycopg2", "needs psycopg2, .* write postgresql:// without"),
        ("mysql+pymysql://me@host/x", "pymysql", "needs pymysql, .* type: pip install pymysql"),
    ],
)
def test_missing_driver(monkeypatch: pytest.MonkeyPatch, address: str, module: str, what: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=what):
        check_database(address)


def test_psycopg_without_the_library_of_postgresql() -> None:
    from swath.tracking.databases import how_to_install

    missing = ImportError("no pq wrapper available.\nAttempts made:\n- couldn't import psycopg 'c'")
    assert (
        how_to_install(missing)
        == "needs psycopg, which is not installed; type: pip install 'swath[postgres]'"
    )


@pytest.mark.parametrize("address", ["postgresql:/x", "postgresql+nothing://me@host/x", "postgresql"])
def test_address_that_cannot_be_understood(address: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be understood .*; expected an address such as"):
        check_database(address)


class _PostgresError(Exception):
    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def _error(
    kind: type[DBAPIError],
    sqlstate: str | None,
    statement: str | None,
    *,
    lost: bool = False,
    text: str = "words",
) -> DBAPIError:
    return kind(statement, {}, _PostgresError(text, sqlstate), connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (_error(OperationalError, None, None), True),  # not connected
        (_error(OperationalError, None, "insert", lost=True), True),
        (_error(OperationalError, "57P01", "insert", lost=True), True),
        (_error(OperationalError, "57P03", None), True),
        (_error(OperationalError, "40P01", "insert"), True),
        (_error(OperationalError, "53300", None), True),
        (_error(ProgrammingError, "25006", "insert"), True),
        (_error(OperationalError, None, "insert"), False),
        (_error(OperationalError, "53100", "insert"), False),  # disk full
        (_error(OperationalError, "53100", None), False),
        (_error(IntegrityError, "23505", "insert"), False),
        (_error(IntegrityError, None, None), False),
        (_error(ProgrammingError, "42501", "create"), False),
        (_error(OperationalError, None, None, text='password authentication failed for user "me"'), False),
        (_error(OperationalError, None, None, text='FATAL:  database "x" does not exist'), False),
        (_error(OperationalError, None, None, text="FATAL:  the database system is starting up"), True),
    ],
)
def test_errors_that_pass(error: DBAPIError, passes: bool) -> None:
    assert is_passing(error) == is_unreachable(error) == passes
    wrapped = MlflowException("wrapped")
    wrapped.__cause__ = error
    assert is_unreachable(wrapped) == passes
    assert is_unreachable(ValueError("other")) is False


def test_locked_sqlite_file_passes_and_a_full_disk_does_not(tmp_path: Path) -> None:
    one, other = (sqlite3.connect(tmp_path / "x.db", isolation_level=None, timeout=0) for _ in range(2))
    one.execute("create table numbers (number)")
    one.execute("begin exclusive")
    with pytest.raises(sqlite3.OperationalError) as caught:
        other.execute("insert into numbers values (1)")
    locked = OperationalError("insert", {}, caught.value)
    assert is_passing(locked)
    assert passing_reason(locked) == "another program keeps the store locked (database is locked)"
    one.execute("commit")
    one.execute(f"pragma max_page_count = {one.execute('pragma page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError) as caught:
        one.execute("insert into numbers values (zeroblob(100000))")
    assert "full" in str(caught.value)
    assert not is_passing(OperationalError("insert", {}, caught.value))
    for connection in (one, other):
        connection.close()


def test_lost_database_in_one_line() -> None:
    text = (
        'connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?"
    )
    error = OperationalError(None, {}, _PostgresError(text))
    line = error_line(error, "postgresql://me:secret@127.0.0.1:1/x")
    assert line == "the database does not answer (Connection refused); is it running?"
