"""The file of an SQLite store: where it is, whether it can be written, how long its lock is waited for."""

import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from swath.errors import SwathError


def database_file(uri: str) -> Path | None:
    """The file in which an SQLite store lies; None for any other store."""
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def check_writable(uri: str) -> None:
    """Find out at once whether an SQLite store can be written: MLflow tries for 100 s before it says so.

    Raises:
      SwathError: neither the file nor the folder in which it would be made can be written.
    """
    path = database_file(uri)
    if path is None:
        return
    folder = next(parent for parent in path.parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        if path.exists():
            with path.open("r+b"):
                pass
    except OSError as error:
        raise SwathError(
            f"the store {uri} cannot be opened or made in {folder} ({error.strerror}); run swath in a folder "
            "that can be written, or name a store: tracking.uri=sqlite:////PATH/mlflow.db"
        ) from error


LOCKED_S = 120
"""Seconds to wait for an SQLite file that another program has locked; MLflow itself waits for 20."""


_STATEMENT = f"PRAGMA busy_timeout = {1000 * LOCKED_S}"


def wait_for_locks(engine: sqlalchemy.Engine) -> None:
    """Have every connection of an SQLite engine wait for `LOCKED_S`, whatever MLflow asks for."""
    if engine.dialect.name != "sqlite":
        return

    @sqlalchemy.event.listens_for(engine, "checkout")
    def wait(connection: Any, record: object, proxy: object) -> None:
        connection.execute(_STATEMENT)

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute", retval=True)
    def wait_longer(
        connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool
    ) -> tuple[str, Any]:
        waits = statement.startswith("PRAGMA busy_timeout")
        return (_STATEMENT if waits else statement), parameters
