"""Where a local store keeps its files, and whether these locations are still its own.

MLflow records absolute locations, so the database of a copied folder refers to the files of the original.
Nothing may be written through such a database before `relocation` has corrected it.
"""

import contextlib
import shlex
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from swath.errors import UsageError
from swath.tracking import schema
from swath.tracking.mlflow_setup import DEFAULT_FILE, database_file, sqlite_uri

FILES = "mlruns"
"""Folder beside a database that holds the files of its runs; MLflow's default."""

UNUSED_EXPERIMENT = "0"
"""Id of MLflow's experiment "Default", which every store has."""

WAIT_S = 30
"""Seconds to wait for a database that another program is writing."""


def local_path(location: str) -> Path | None:
    """The path of a recorded location; None if it is not a local one. MLflow decodes `%20` in any path."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or not location:
        return None
    return Path(url2pathname(parts.path if parts.scheme else location))


def is_local(location: str) -> bool:
    """Whether a recorded location is on this machine."""
    return local_path(location) is not None


def location_of(path: Path) -> str:
    """The location that MLflow reads as `path`: the path itself, or an address if it needs quoting."""
    plain = str(path)
    return path.as_uri() if any(mark in plain for mark in "%#?") else plain


def keep_files_beside(store: Any, uri: str) -> None:
    """Make MLflow keep the files of new experiments beside an SQLite file, wherever a command is started.

    MLflow itself keeps them in the working folder of the process that creates an experiment.

    Args:
      store: MLflow's `SqlAlchemyStore`.
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


@dataclass(frozen=True)
class Misplaced:
    """An experiment whose recorded files are not those of its database.

    Attributes:
      experiment_id: MLflow's id of the experiment.
      name: name of the experiment.
      recorded: folder that the database refers to.
      beside: folder beside the database in which the experiment's files belong.
      has_files: whether the experiment has no runs, or files of them are in `beside`.
    """

    experiment_id: str
    name: str
    recorded: Path
    beside: Path
    has_files: bool


def check_located(uri: str, experiments: Sequence[str]) -> None:
    """Check that writing to experiments cannot change the files of another store.

    Args:
      uri: address of the store.
      experiments: names or ids of experiments; those that do not exist are ignored.

    Raises:
      UsageError: the store was copied or moved, and still refers to the files of the original.
    """
    database = database_file(uri)
    if database is None or not database.is_file():
        return
    for found in misplaced(database):
        if found.name in experiments or found.experiment_id in experiments:
            raise UsageError(_refusal(found, database))


def _refusal(found: Misplaced, database: Path) -> str:
    if found.beside == found.recorded:
        return (
            f"the store {database} is a copy, and its experiment {found.name!r} keeps its files in "
            f"{found.recorded} with those of the original; choose another one: tracking.experiment=NAME"
        )
    option = "" if _is_default(database) else f" --uri {shlex.quote(sqlite_uri(database))}"
    relocate = f"swath-compare --relocate{option}"
    if found.has_files:
        return (
            f"the store {database} was copied or moved: it refers to the files in {found.recorded}, not to "
            f"its own in {found.beside}; correct it with: {relocate}"
        )
    return (
        f"the store {database} was copied or moved without its files: it refers to {found.recorded}; copy "
        f"that folder to {found.beside}, then run: {relocate}"
    )


def _is_default(database: Path) -> bool:
    return database == Path(DEFAULT_FILE).absolute()


def misplaced(database: Path) -> list[Misplaced]:
    """The experiments of an SQLite file that refer to the files of another store."""
    with read_only(database) as connection:
        try:
            rows = connection.execute(
                "SELECT experiment_id, name, artifact_location, creation_time FROM experiments"
            ).fetchall()
        except sqlite3.Error:  # no store of MLflow; opening it says so
            return []
        found = []
        for identity, name, location, created in rows:
            recorded = local_path(location or "")
            if recorded is None:
                continue
            runs = connection.execute(
                "SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?", (identity,)
            ).fetchall()
            home = connection.execute(
                "SELECT value FROM experiment_tags WHERE experiment_id = ? AND key = ?",
                (identity, schema.DATABASE),
            ).fetchone()
            store = _Recorded(database, str(identity), recorded, created, home and Path(home[0]), runs)
            if (other := store.foreign_folder()) is not None:
                found.append(Misplaced(str(identity), name, other, store.beside, store.has_files))
        return found


@dataclass(frozen=True)
class _Recorded:
    """What a database records about an experiment.

    Attributes:
      database: the SQLite file.
      experiment_id: MLflow's id.
      folder: folder of the experiment's files.
      created: creation time of the experiment, in milliseconds since 1970.
      home: the SQLite file that last wrote the experiment; None in older stores.
      runs: id and artifact location of each run.
    """

    database: Path
    experiment_id: str
    folder: Path
    created: int
    home: Path | None
    runs: Sequence[tuple[str, str]]

    @property
    def beside(self) -> Path:
        """The folder beside the database for the files; `folder` if they never were beside a database."""
        if self.folder.name == self.experiment_id:
            return self.database.parent / FILES / self.experiment_id
        if self.home is not None and self.folder.is_relative_to(self.home.parent):
            return self.database.parent / self.folder.relative_to(self.home.parent)
        return self.folder

    @property
    def has_files(self) -> bool:
        """Whether files of a run are beside the database, or there are no runs."""
        return not self.runs or any((self.beside / run_id).is_dir() for run_id, _ in self.runs)

    def foreign_folder(self) -> Path | None:
        """The folder of another store that the database refers to; None if all folders are its own."""
        for run_id, location in self.runs:
            path = local_path(location or "")
            if path is not None and self._is_elsewhere(path, run_id):
                return path.parents[1]
        if self.folder.is_relative_to(self.database.parent) and self._is_same(self.folder, self.beside):
            return None
        if self.home is not None:
            if self._is_same(self.home, self.database):
                return None  # this store was told to keep its files there
            if self._is_original(self.home):
                return self.folder
        if self._is_original(self.folder.parent.parent / self.database.name):
            return self.folder
        is_new = not self.runs and self.home is None  # made by MLflow, and not used yet
        return None if self.folder.is_dir() or is_new else self.folder

    def _is_elsewhere(self, path: Path, run_id: str) -> bool:
        """Whether a run's files are beside the database although it refers to other ones."""
        beside = self.beside / run_id
        return run_id in path.parts and beside.is_dir() and not self._is_same(path.parent, beside)

    def _is_original(self, other: Path) -> bool:
        """Whether another SQLite file has the same experiment, so that one is a copy of the other."""
        if not other.is_file() or self._is_same(other, self.database):
            return False
        try:
            with read_only(other) as connection:
                row = connection.execute(
                    "SELECT creation_time FROM experiments WHERE experiment_id = ?", (self.experiment_id,)
                ).fetchone()
        except sqlite3.Error:
            return False
        return row is not None and row[0] == self.created

    @staticmethod
    def _is_same(one: Path, other: Path) -> bool:
        return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))
