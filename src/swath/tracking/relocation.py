"""Corrects the locations in a local store that was copied or moved: they become those beside its database."""

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.errors import UsageError
from swath.system import hide_password
from swath.tracking import schema
from swath.tracking.locations import WAIT_S, local_path, location_of, read_only, sqlite_errors
from swath.tracking.misplaced import Misplaced, misplaced
from swath.tracking.mlflow_setup import FILES, database_file

COLUMNS = {
    "experiment": ("experiments", "artifact_location"),
    "run": ("runs", "artifact_uri"),
    "logged model": ("logged_models", "artifact_location"),
    "model version": ("model_versions", "source"),
    "model version's file": ("model_versions", "storage_location"),
    "data set source": ("datasets", "dataset_source"),
    "trace tag": ("trace_tags", "value"),
}
"""Every column of MLflow's tables that holds a location: table and column, by what a user calls it."""


@dataclass(frozen=True)
class Relocation:
    """What a relocation changes, or has changed.

    Attributes:
      folders: for each experiment, the recorded folder and the one that replaces it.
      rows: number of changed rows, by the keys of `COLUMNS`.
      staying: experiments that stay as they are: their files are not beside the database, or shared with the
        original.
    """

    folders: tuple[tuple[Path, Path], ...]
    rows: Mapping[str, int]
    staying: tuple[Misplaced, ...]


def relocate(uri: str, write: bool) -> Relocation:
    """Replace the locations of a copied or moved store, in one transaction.

    Args:
      uri: address of the store, an SQLite file.
      write: whether to change the store; otherwise the changes are only counted.

    Raises:
      UsageError: the store is no SQLite file, or does not exist.
      SwathError: the file is no database, is locked, or cannot be written.
    """
    database = database_file(uri)
    if database is None or not database.is_file():
        raise UsageError(f"--relocate: expected an SQLite file, not {hide_password(uri, uri)}")
    with sqlite_errors(database):
        return _relocate(database, write)


def _relocate(database: Path, write: bool) -> Relocation:
    found = misplaced(database)
    staying = {each.recorded.parent for each in found if not each.has_files}
    movable = [each for each in found if each.recorded.parent not in staying and each.beside != each.recorded]
    roots = {each.recorded: each.beside for each in movable}  # first: a run without files moves too
    roots |= {each.recorded.parent: each.beside.parent for each in movable}
    roots |= {root.parent: target.parent for root, target in roots.items() if root.name == FILES}
    own = {root for root in roots if root.name == FILES} | {each.recorded for each in movable}
    connected = contextlib.closing(_writable(database)) if write else read_only(database)
    with connected as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        changes = {
            name: _changes(connection, table, column, roots, own)
            for name, (table, column) in COLUMNS.items()
            if table in tables
        }
        if write:
            for name, values in changes.items():
                table, column = COLUMNS[name]
                connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", values)
            connection.executemany(
                "INSERT OR REPLACE INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)",
                [(schema.DATABASE, str(database), each.experiment_id) for each in movable],
            )
            connection.execute("COMMIT")
    return Relocation(
        tuple((each.recorded, each.beside) for each in movable),
        {name: len(values) for name, values in changes.items() if values},
        tuple(each for each in found if each not in movable),
    )


def _writable(database: Path) -> sqlite3.Connection:
    """A connection in a transaction that no other process can write beside; closing it undoes the changes."""
    connection = sqlite3.connect(database, timeout=WAIT_S, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def _changes(
    connection: sqlite3.Connection, table: str, column: str, roots: Mapping[Path, Path], own: Set[Path]
) -> list[tuple[str, int]]:
    """New values of a column, and the number of the row of each."""
    rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    return [(new, row) for row, text in rows if (new := _moved(text, roots, own)) is not None]


def _moved(text: str, roots: Mapping[Path, Path], own: Set[Path]) -> str | None:
    """A location, or JSON with locations, in other folders; None if nothing of it changes."""
    if text.startswith("{"):
        with contextlib.suppress(ValueError):
            value = json.loads(text)
            changed = _moved_value(value, roots, own)
            return None if changed == value else json.dumps(changed)
    path = local_path(text) if "/" in text else None
    for root, target in roots.items():
        if path is not None and path.is_relative_to(root):
            new = target / path.relative_to(root)
            # Files outside the store's own folders, such as images, may not have been copied with it.
            if root in own or new.exists():
                return new.as_uri() if text.startswith("file:") else location_of(new)
    return None


def _moved_value(value: Any, roots: Mapping[Path, Path], own: Set[Path]) -> Any:
    if isinstance(value, dict):
        return {key: _moved_value(entry, roots, own) for key, entry in value.items()}
    if isinstance(value, list):
        return [_moved_value(entry, roots, own) for entry in value]
    return (_moved(value, roots, own) or value) if isinstance(value, str) else value
