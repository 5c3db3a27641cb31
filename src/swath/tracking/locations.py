"""Locations of files as MLflow records them: decoded, made, and found again beside a moved database.

MLflow records absolute locations, so the database of a copied folder refers to the files of the original.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.mlflow_setup import FILES, database_file

UNUSED_EXPERIMENT = "0"
"""Id of MLflow's experiment "Default", which every store has."""

WAIT_S = 30
"""Seconds to wait for a database that another program is writing."""


@lru_cache(maxsize=100)
def local_path(location: str) -> Path | None:
    """The path of a recorded location; None if it is not a local one. MLflow decodes `%20` in any path."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or not location:
        return None
    if parts.scheme and parts.netloc not in ("", "localhost"):
        return None
    return Path(url2pathname(parts.path if parts.scheme else location))


def is_local(location: str) -> bool:
    """Whether a recorded location is on this machine."""
    return local_path(location) is not None


def location_of(path: Path) -> str:
    """The location that MLflow reads as `path`: the path itself, or an address if it needs quoting."""
    plain = str(path)
    return path.as_uri() if _has_marks(plain) else plain


def _has_marks(location: str) -> bool:
    """Whether a location has a character with a meaning in an address."""
    return any(mark in location for mark in "%#?")


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file or folder."""
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def keep_files_beside(store: Any, uri: str) -> None:
    """Make MLflow keep the files of new experiments beside an SQLite file, wherever a command is started.

    MLflow itself keeps them in the working folder of the process that creates an experiment.

    Args:
      store: MLflow's `SqlAlchemyStore`, or a `SqlClient`.
      uri: its address.
    """
    database = database_file(uri)
    if database is None:
        return
    store.artifact_root_uri = location_of(database.parent / FILES)
    own = f"{store.artifact_root_uri}/{UNUSED_EXPERIMENT}"
    unused = (
        "UPDATE experiments SET artifact_location = :own WHERE experiment_id = :id "
        "AND artifact_location != :own AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment_id = :id)"
    )
    with store.engine.begin() as connection:
        connection.exec_driver_sql(unused, {"own": own, "id": int(UNUSED_EXPERIMENT)})


@contextlib.contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to an SQLite file that cannot change it."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def sqlite_errors(database: Path) -> Iterator[None]:
    """Raise a `SwathError` in one sentence for any error of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        if is_busy(error):
            raise SwathError(
                f"the store {database} is locked by another program; wait until that has ended, then repeat "
                "the command"
            ) from error
        raise SwathError(f"the store {database} cannot be used: {error}") from error


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another program has locked the file for `WAIT_S` seconds."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True)
class ExperimentFolder:
    """The folder of an experiment's files, as a database records it.

    Attributes:
      database: the SQLite file.
      experiment_id: MLflow's id.
      recorded: the folder.
      home: the SQLite file that last wrote the experiment; None in older stores.
    """

    database: Path
    experiment_id: str
    recorded: Path
    home: Path | None

    @property
    def beside(self) -> Path:
        """The folder beside the database; `recorded` if the files never were beside a database."""
        if self.recorded.name == self.experiment_id:
            return self.database.parent / FILES / self.experiment_id
        if self.home is not None and self.recorded.is_relative_to(self.home.parent):
            return self.database.parent / self.recorded.relative_to(self.home.parent)
        return self.recorded

    @cached_property
    def _own(self) -> str | None:
        """What the locations of this store's own files begin with; None if all have to be looked at.

        A store has thousands of runs, and hardly any has moved.
        """
        beginning = f"{self.recorded}/"
        return None if self.beside != self.recorded or _has_marks(beginning) else beginning

    def beside_of(self, location: str, owner: str) -> Path | None:
        """The folder beside the database that a location should be; None if the location is right.

        Args:
          location: recorded location of files of a run or of a logged model.
          owner: id of the run or of the model.
        """
        if self._own is not None and location.startswith(self._own) and not _has_marks(location):
            return None
        path = local_path(location)
        if path is None or owner not in path.parts:
            return None
        if path.is_relative_to(self.recorded):
            inside = path.relative_to(self.recorded)
        else:
            inside = Path(*path.parts[path.parts.index(owner) :])
        beside = self.beside / inside
        if beside == path:
            return None
        # The folder of a run that stored no file is not there.
        return beside if beside.parent.is_dir() and not is_same(beside.parent, path.parent) else None


def experiment_folders(database: Path) -> dict[str, ExperimentFolder]:
    """The local folder of each experiment of an SQLite file, by the experiment's id."""
    with read_only(database) as connection:
        homes = dict(
            connection.execute(
                "SELECT experiment_id, value FROM experiment_tags WHERE key = ?", (schema.DATABASE,)
            ).fetchall()
        )
        rows = connection.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall()
    return {
        str(identity): ExperimentFolder(
            database, str(identity), recorded, Path(homes[identity]) if identity in homes else None
        )
        for identity, location in rows
        if (recorded := local_path(location or "")) is not None
    }


class OwnFiles:
    """Finds the files of the runs of a store, also after its folder was moved.

    Args:
      uri: address of the store.

    Attributes:
      moved: folder beside the database with files whose recorded location is another one; None if none
        were found so far.
    """

    def __init__(self, uri: str) -> None:
        self._database = database_file(uri)
        self.moved: str | None = None

    @cached_property
    def _folders(self) -> dict[str, ExperimentFolder]:
        if self._database is None:
            return {}
        with sqlite_errors(self._database):
            return experiment_folders(self._database)

    def location(self, experiment_id: str, recorded: str, owner: str) -> str:
        """The location of files: beside the database if they are there, otherwise as it is recorded.

        Args:
          experiment_id: MLflow's id of the experiment.
          recorded: recorded location of files of a run or of a logged model.
          owner: id of the run or of the model.
        """
        folder = self._folders.get(experiment_id)
        beside = None if folder is None else folder.beside_of(recorded, owner)
        if folder is None or beside is None:
            return recorded
        self.moved = str(folder.beside)
        return location_of(beside)
