"""What tests of the upgrade of a store look at; the stores are fixtures of the integration tests."""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

import mlflow

COPY = f"mlflow.db.before-mlflow-{mlflow.__version__}"


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def version_of(database: Path) -> str:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        ((version,),) = connection.execute("select version_num from alembic_version")
        return str(version)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
