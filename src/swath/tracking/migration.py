"""Upgrades the tables of a store that an older MLflow made; a copy is kept."""

import contextlib
import glob
import hashlib
import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from filelock import FileLock

from swath.errors import SwathError
from swath.system import cache_folder, temporary_beside
from swath.tracking.locations import WAIT_S, sqlite_errors
from swath.tracking.mlflow_setup import database_file, error_line, sqlite_uri
from swath.tracking.tables import check_version, is_older, mlflow_version, version_of


def upgrade(uri: str) -> str:
    """Upgrade the tables of an SQLite store that an older version of MLflow made; a copy of it is kept.

    Versions of MLflow with other tables can only read the copy then.

    Args:
      uri: address of the store.

    Returns:
      A line that says so; empty if nothing was upgraded.

    Raises:
      SwathError: a newer version of MLflow made the tables, they cannot be upgraded, or another program has
        locked the store.
      OSError: the copy cannot be written.
    """
    database = database_file(uri)
    if database is None or not database.is_file():
        return ""
    with _locked(database):  # another command must not copy what is being upgraded
        return _upgrade(uri, database)


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold a lock that belongs to a database; without one if the cache folder cannot be written."""
    name = hashlib.sha256(str(database.resolve()).encode()).hexdigest()[:24]
    folder = cache_folder() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.upgrade.lock")
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _upgrade(uri: str, database: Path) -> str:
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    if not sqlalchemy.inspect(engine).has_table("runs"):
        return ""
    version = version_of(engine)
    if version is None or not is_older(version):
        check_version(engine, uri)
        return ""
    with sqlite_errors(database), contextlib.closing(_held(database)) as store:
        copy = _replace_tables(store, database)
    return (
        f"upgraded the tables of {database.name} for MLflow {mlflow_version()}; older versions of MLflow "
        f"can only read the copy {copy.name}"
    )


def _held(database: Path) -> sqlite3.Connection:
    """A connection that keeps others from using the file until it is closed.

    With write-ahead logging that is possible only if no other connection is open.

    Raises:
      sqlite3.OperationalError: another program is writing.
    """
    with database.open("rb") as file:
        has_write_ahead_log = file.read(20)[18:19] == WRITE_AHEAD
    connection = sqlite3.connect(database, isolation_level=None, timeout=0 if has_write_ahead_log else WAIT_S)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")  # the lock stays, and a backup needs a connection without transaction
    except sqlite3.OperationalError:
        connection.close()
        if not has_write_ahead_log:
            raise
        connection = sqlite3.connect(database, isolation_level=None, timeout=WAIT_S)
    return connection


WRITE_AHEAD = b"\2"
"""Byte 18 of an SQLite file that uses write-ahead logging."""


def _replace_tables(store: sqlite3.Connection, database: Path) -> Path:
    """Upgrade a copy of a store, and put it in the store's place; the store is never half upgraded.

    SQLite writes the new content in one transaction, which the next connection undoes if it was interrupted.
    That works with other open connections and a write-ahead log too, where renaming a file would not.

    Returns:
      The copy of the former store.

    Raises:
      SwathError: the tables cannot be upgraded, or another program changed the store meanwhile.
      OSError, sqlite3.Error: a copy cannot be written.
    """
    with temporary_beside(database) as former, temporary_beside(database) as upgraded:
        before = _changes(store)
        _back_up(store, former)
        shutil.copyfile(former, upgraded)
        _upgrade_copy(upgraded, database)
        copy = _keep(former, database)
        if _changes(store) != before:
            raise SwathError(
                f"another program changed {database} during its upgrade; end that, then repeat the command"
            )
        with contextlib.closing(sqlite3.connect(upgraded)) as source:
            source.backup(store)
        return copy


def _changes(store: sqlite3.Connection) -> int:
    """A number that differs after other connections changed the file."""
    return int(store.execute("PRAGMA data_version").fetchone()[0])


def _back_up(store: sqlite3.Connection, path: Path) -> None:
    """Write the content of a store, with that of its write-ahead log, into one durable file."""
    with contextlib.closing(sqlite3.connect(path)) as target:
        store.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")


def _upgrade_copy(copy: Path, database: Path) -> None:
    """Upgrade the tables of a copy of a store.

    Raises:
      SwathError: that is not possible.
    """
    engine = sqlalchemy.create_engine(sqlite_uri(copy), poolclass=sqlalchemy.NullPool)
    try:
        from mlflow.store.db.utils import _upgrade_db

        _upgrade_db(engine)
    except Exception as error:  # of SQLAlchemy, Alembic or MLflow
        kept = sorted(database.parent.glob(f"{glob.escape(database.name)}{KEPT}*"))
        copies = f"; copies of earlier upgrades: {', '.join(map(str, kept))}" if kept else ""
        raise SwathError(
            f"the tables of {database} cannot be upgraded for MLflow {mlflow_version()}, and are unchanged "
            f"({error_line(error, None)}){copies}"
        ) from error


KEPT = ".before-mlflow-"
"""Between the name of a store and the version of MLflow, in the name of a copy."""


def _keep(former: Path, database: Path) -> Path:
    """Give a copy of a store its name; a copy of other content that has the name is kept.

    Raises:
      OSError: the file cannot be renamed.
    """
    name = f"{database.name}{KEPT}{mlflow_version()}"
    for number in itertools.count(1):
        copy = database.with_name(name if number == 1 else f"{name}.{number}")
        if not copy.exists():
            return former.replace(copy)
        if _same_content(former, copy):
            break
    return copy


def _same_content(one: Path, other: Path) -> bool:
    """Whether two SQLite files have the same content; the counters in their first page do not count."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        heads = [bytearray(file.read(HEAD_BYTES)) for file in (first, second)]
        for head in heads:
            for counter in COUNTERS:
                head[counter] = bytes(counter.stop - counter.start)
        if heads[0] != heads[1]:
            return False
        while part := first.read(CHUNK_BYTES):
            if part != second.read(CHUNK_BYTES):
                return False
    return True


HEAD_BYTES = 100
COUNTERS = (slice(24, 28), slice(92, 100))
"""Where a file's header counts its changes, and names the SQLite that made the last one."""

CHUNK_BYTES = 1 << 20
