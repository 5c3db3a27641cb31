"""MLflow's SQL tables: made whole in a new file, and filled with step values."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

import mlflow
import sqlalchemy
from filelock import FileLock
from mlflow.entities import LifecycleStage
from mlflow.store.db.utils import _initialize_tables
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlRun
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.system import atomic_write, cache_folder, remove_leftovers
from swath.tracking.database_file import database_file
from swath.tracking.records import MetricBatch


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
    remove_leftovers(path.parent)
    if path.exists():
        return
    template = _template()
    make = _make_tables if template is None else lambda part: shutil.copyfile(template, part)
    atomic_write(path, make, keep_existing=True)  # another process may be faster; its store is as good


def _template() -> Path | None:
    """A database with nothing but tables; None where the cache folder cannot be written."""
    path = cache_folder() / f"mlflow-{mlflow.__version__}-tables.db"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                atomic_write(path, _make_tables)
    except (OSError, sqlalchemy.exc.OperationalError):
        return None
    return path


def _make_tables(path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


TESTED_VERSIONS = ("3.17.",)
"""MLflow's tables are its own affair: other versions get `log_batch`."""


LARGEST_DOUBLE = 1.7976931348623157e308
"""What MLflow stores for infinity."""


class SqlSteps:
    """Writes blocks of steps; made by `sql_steps`."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine
        self._metrics: Any = SqlMetric.__table__
        self._latest: Any = SqlLatestMetric.__table__
        self._runs: Any = SqlRun.__table__

    def write(self, run_id: str, block: MetricBatch) -> None:
        """Store a block, all of it or nothing. Its steps are later than all that the run has of its metrics.

        Raises:
          SwathError: the run does not exist, or has been deleted.
          sqlalchemy.exc.SQLAlchemyError: the database refuses.
        """
        now_ms = time.time_ns() // 1_000_000
        rows = [
            {
                "run_uuid": run_id,
                "key": name,
                "timestamp": now_ms,
                "step": block.first_step + offset * block.every,
                **stored,
            }
            for name, values in block.values.items()
            for offset, stored in enumerate(_stored(values))
        ]
        last = {row["key"]: row for row in rows}
        with self._engine.begin() as connection:
            stage = connection.execute(
                sqlalchemy.select(self._runs.c.lifecycle_stage).where(self._runs.c.run_uuid == run_id)
            ).scalar()
            if stage != LifecycleStage.ACTIVE:
                raise SwathError(f"the run {run_id} has been deleted in the store")
            connection.execute(self._metrics.insert(), rows)
            for key, row in last.items():
                latest = self._latest
                here = (latest.c.run_uuid == run_id) & (latest.c.key == key)
                if connection.execute(latest.update().where(here).values(row)).rowcount == 0:
                    connection.execute(latest.insert().values(row))


def sql_steps(client: MlflowClient) -> SqlSteps | None:
    """The writer for a client's store; None where it is no SQL store, or MLflow is a version not tested."""
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore) and mlflow.__version__.startswith(TESTED_VERSIONS):
        return SqlSteps(store.engine)
    return None


def _stored(values: NDArray[Any]) -> list[dict[str, Any]]:
    """Values as MLflow stores them: NaN as 0 with a flag, infinities as the largest double."""
    return [
        {
            "value": 0.0 if math.isnan(value) else max(min(value, LARGEST_DOUBLE), -LARGEST_DOUBLE),
            "is_nan": math.isnan(value),
        }
        for value in values.tolist()
    ]
