"""The version of a store's tables: checked by readers, and upgraded, with a copy kept, by the writer."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mlflow
import sqlalchemy
from alembic.script import ScriptDirectory
from filelock import FileLock
from mlflow.store.db.utils import _get_latest_schema_revision, _get_schema_version, _upgrade_db

from swath.errors import SwathError
from swath.system import cache_folder, hide_password
from swath.tracking.mlflow_setup import database_file


def check_version(engine: sqlalchemy.Engine, uri: str) -> None:
    """Check that the installed MLflow made the tables of a store.

    Raises:
      SwathError: another version of MLflow made them, or they are not MLflow's.
    """
    shown = hide_password(uri, uri)
    if not sqlalchemy.inspect(engine).has_table("runs"):
        raise SwathError(f"{shown} is not an MLflow store: it has no table of runs")
    version = _get_schema_version(engine)
    if version is None:
        raise SwathError(f"{shown} is not an MLflow store: its tables have no version")
    if version == _expected_version():
        return
    if _is_known(version):
        what_to_do = f"an older version of MLflow; keep a copy, then run: mlflow db upgrade {shown}"
    else:
        what_to_do = (
            f"a newer version of MLflow than the installed {mlflow.__version__}; run: "
            "pip install --upgrade mlflow"
        )
    raise SwathError(f"the tables of {shown} were made by {what_to_do}")


def upgrade(uri: str) -> str:
    """Upgrade the tables of an SQLite store that an older version of MLflow made; a copy of it is kept.

    Versions of MLflow with other tables can only read the copy then.

    Args:
      uri: address of the store.

    Returns:
      A line that says so; empty if nothing was upgraded.

    Raises:
      SwathError: a newer version of MLflow made the tables.
      OSError, sqlite3.Error: the copy cannot be written.
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
    engine = sqlalchemy.create_engine(uri)
    try:
        if not sqlalchemy.inspect(engine).has_table("runs"):
            return ""
        version = _get_schema_version(engine)
        if version is None or version == _expected_version() or not _is_known(version):
            check_version(engine, uri)
            return ""
        copy = database.with_name(f"{database.name}.before-mlflow-{mlflow.__version__}")
        _copy(database, copy)
        _upgrade_db(engine)
    finally:
        engine.dispose()
    return (
        f"upgraded the tables of {database.name} for MLflow {mlflow.__version__}; older versions of MLflow "
        f"can only read the copy {copy.name}"
    )


def _copy(database: Path, copy: Path) -> None:
    """Copy an SQLite file that other programs may be using."""
    with (
        contextlib.closing(sqlite3.connect(database)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


@cache
def _expected_version() -> str:
    """Version of the installed MLflow's tables; computing it takes a tenth of a second."""
    return str(_get_latest_schema_revision())


def _is_known(version: str) -> bool:
    """Whether a version of the tables is one that the installed MLflow can upgrade from."""
    scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return version in {script.revision for script in scripts.walk_revisions()}
