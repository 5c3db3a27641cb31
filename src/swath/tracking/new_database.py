"""MLflow's tables made in a new SQLite file: whole or not at all.

MLflow makes them one migration after the other, for seconds, in the file itself; killed in between, it
leaves a store that it refuses ever after.
"""

import contextlib
import os
import shutil
from pathlib import Path

import mlflow
import psutil
import sqlalchemy
from filelock import FileLock
from mlflow.store.db.utils import _initialize_tables

from swath.data.cache import cache_folder
from swath.tracking.database_file import database_file

PART = ".part"


def make_database(uri: str) -> None:
    """Make the file of an SQLite store with MLflow's tables in it, where there is no such file.

    The tables are made once in the user's cache folder, for the installed version of MLflow, and copied.

    Raises:
      OSError: the file cannot be written.
    """
    path = database_file(uri)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_up(path)
    if path.exists():
        return
    part = _part_of(path)
    try:
        template = _template()
        if template is None:
            _make_tables(part)
        else:
            shutil.copyfile(template, part)
        with contextlib.suppress(FileExistsError):  # another process was faster; its store is as good
            _put(part, path)
    finally:
        _remove(part)


def _put(part: Path, path: Path) -> None:
    """Give a whole file its name, unless there is one of that name."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if not path.exists():
            part.replace(path)


def _template() -> Path | None:
    """A database with nothing but tables; None where the cache folder cannot be written."""
    path = cache_folder() / f"mlflow-{mlflow.__version__}-tables.db"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _sweep_up(path)
                part = _part_of(path)
                _make_tables(part)
                part.replace(path)
    except (OSError, sqlalchemy.exc.OperationalError):
        return None
    return path


def _make_tables(path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}{PART}")


def _sweep_up(path: Path) -> None:
    """Remove what processes have left that were killed while they made this file."""
    for part in path.parent.glob(f"{path.name}.*{PART}"):
        pid = part.name.removeprefix(f"{path.name}.").removesuffix(PART)
        if not pid.isdecimal() or not psutil.pid_exists(int(pid)):
            _remove(part)


def _remove(part: Path) -> None:
    for leftover in (part, part.with_name(f"{part.name}-journal")):
        leftover.unlink(missing_ok=True)
