"""Finds the experiments of a copied or moved store that refer to the files of another store.

Nothing may be written through such a database before `relocation` has corrected it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swath.errors import UsageError
from swath.tracking.locations import (
    ExperimentFolder,
    experiment_folders,
    is_busy,
    is_same,
    local_path,
    read_only,
    sqlite_errors,
)
from swath.tracking.mlflow_setup import database_file, sqlite_uri
from swath.tracking.ui_urls import uri_option


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

    @property
    def is_shared(self) -> bool:
        """Whether the files are not beside a database, so that a copy of it has the same ones."""
        return self.beside == self.recorded


def check_located(uri: str, experiments: Sequence[str], *, writes: bool = True) -> None:
    """Check that an experiment's recorded files are those of its store.

    Args:
      uri: address of the store.
      experiments: names or ids of experiments; those that do not exist are ignored.
      writes: whether files will be written; files that are shared with another store can only be read.

    Raises:
      UsageError: the store was copied or moved, and still refers to the files of the original.
      SwathError: another program has locked the store.
    """
    database = database_file(uri)
    if database is None or not database.is_file():
        return
    for found in misplaced(database):
        chosen = found.name in experiments or found.experiment_id in experiments
        if chosen and (writes or not found.is_shared):
            raise UsageError(_refusal(found, database))


def _refusal(found: Misplaced, database: Path) -> str:
    if found.is_shared:
        return (
            f"the store {database} is a copy, and its experiment {found.name!r} keeps its files in "
            f"{found.recorded} with those of the original; choose another one: tracking.experiment=NAME"
        )
    relocate = f"swath-compare --relocate{uri_option(sqlite_uri(database))}"
    if found.has_files:
        return (
            f"the store {database} was copied or moved: it refers to the files in {found.recorded}, not to "
            f"its own in {found.beside}; correct it with: {relocate}"
        )
    return (
        f"the store {database} was copied or moved without its files: it refers to {found.recorded}; copy "
        f"that folder to {found.beside}, then run: {relocate}"
    )


def misplaced(database: Path) -> list[Misplaced]:
    """The experiments of an SQLite file that refer to the files of another store.

    Raises:
      SwathError: another program has locked the file.
    """
    with sqlite_errors(database):
        try:
            return _misplaced(database)
        except sqlite3.Error as error:  # no store of MLflow; opening it says so
            if is_busy(error):
                raise
            return []


def _misplaced(database: Path) -> list[Misplaced]:
    found = []
    folders = experiment_folders(database)
    with read_only(database) as connection:
        rows = connection.execute("SELECT experiment_id, name, creation_time FROM experiments").fetchall()
        for identity, name, created in rows:
            folder = folders.get(str(identity))
            if folder is None:
                continue
            runs = connection.execute(
                "SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?", (identity,)
            ).fetchall()
            experiment = _Experiment(folder, created, runs)
            if (other := experiment.foreign_folder()) is not None:
                found.append(
                    Misplaced(folder.experiment_id, name, other, folder.beside, experiment.has_files)
                )
    return found


@dataclass(frozen=True)
class _Experiment:
    """What a database records about an experiment.

    Attributes:
      folder: folder of the experiment's files.
      created: creation time of the experiment, in milliseconds since 1970.
      runs: id and artifact location of each run.
    """

    folder: ExperimentFolder
    created: int
    runs: Sequence[tuple[str, str]]

    @property
    def has_files(self) -> bool:
        """Whether files of a run are beside the database, or there are no runs."""
        return not self.runs or any((self.folder.beside / run_id).is_dir() for run_id, _ in self.runs)

    def foreign_folder(self) -> Path | None:
        """The folder of another store that the database refers to; None if all folders are its own."""
        recorded, database, home = self.folder.recorded, self.folder.database, self.folder.home
        for run_id, location in self.runs:
            if location and self.folder.beside_of(location, run_id) is not None:
                path = local_path(location)
                assert path is not None
                return path.parents[1]
        if recorded.is_relative_to(database.parent) and is_same(recorded, self.folder.beside):
            return None
        if home is not None:
            if is_same(home, database):
                return None  # this store was told to keep its files there
            if self._is_original(home):
                return recorded
        if self._is_original(recorded.parent.parent / database.name):
            return recorded
        is_new = not self.runs and home is None  # made by MLflow, and not used yet
        return None if recorded.is_dir() or is_new else recorded

    def _is_original(self, other: Path) -> bool:
        """Whether another SQLite file has the same experiment, so that one is a copy of the other."""
        if not other.is_file() or is_same(other, self.folder.database):
            return False
        try:
            with read_only(other) as connection:
                row = connection.execute(
                    "SELECT creation_time FROM experiments WHERE experiment_id = ?",
                    (self.folder.experiment_id,),
                ).fetchone()
        except sqlite3.Error:
            return False
        return row is not None and row[0] == self.created
