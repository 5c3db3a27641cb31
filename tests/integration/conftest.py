"""Stores whose tables an older version of MLflow made."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from support.stores import make_older_store


@pytest.fixture(scope="module")
def older_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run, whose tables an older version of MLflow made."""
    folder = tmp_path_factory.mktemp("older")
    make_older_store(folder)
    return folder / "mlflow.db"


@pytest.fixture
def older(older_template: Path, tmp_path: Path) -> Path:
    """The folder of a copy of that store."""
    shutil.copy(older_template, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            moved = f"update {table} set {column} = replace({column}, ?, ?)"
            assert connection.execute(moved, (str(older_template.parent), str(tmp_path))).rowcount > 0
    return tmp_path
