"""The file of an SQLite store."""

import tempfile
from pathlib import Path

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
