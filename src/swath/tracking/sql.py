"""MLflow's SQL tables, written and read directly.

MLflow's interface creates an object for each value and reads a curve with one query: that takes seconds for
72 curves of 1,000 steps, a single query a tenth of a second.
"""

import math
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mlflow
import numpy as np
import sqlalchemy
from mlflow.entities import LifecycleStage, RunStatus
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.migration import check_version
from swath.tracking.mlflow_setup import database_file
from swath.tracking.run_records import MetricBatch
from swath.tracking.stored_runs import Curve, StoredRun

_RUNS: Any = SqlRun.__table__
_TAGS: Any = SqlTag.__table__
_PARAMS: Any = SqlParam.__table__
_LATEST: Any = SqlLatestMetric.__table__
_METRICS: Any = SqlMetric.__table__
_LATEST_COLUMNS = ("run_uuid", "key", "value", "is_nan", "step")


TESTED_VERSIONS = ("3.17.", "3.18.")
"""MLflow versions whose tables are written directly; other versions get `log_batch`."""

SLOWER = 3
"""How much longer tracking takes with `log_batch`; see docs/benchmarks.md."""


LARGEST_DOUBLE = 1.7976931348623157e308
"""Value that MLflow stores for infinity."""


class SqlSteps:
    """Writes per-step metrics; created by `sql_steps`."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine

    def write(self, run_id: str, batch: MetricBatch) -> None:
        """Store a batch as a whole or not at all. Its steps must come after the stored ones of its metrics.

        Raises:
          SwathError: the run does not exist, or has been deleted.
          sqlalchemy.exc.SQLAlchemyError: the database rejects it.
        """
        now_ms = time.time_ns() // 1_000_000
        rows = [
            {
                "run_uuid": run_id,
                "key": name,
                "timestamp": now_ms,
                "step": batch.first_step + offset * batch.every,
                **stored,
            }
            for name, values in batch.values.items()
            for offset, stored in enumerate(_stored(values))
        ]
        last = {row["key"]: row for row in rows}
        with self._engine.begin() as connection:
            stage = connection.execute(
                sqlalchemy.select(_RUNS.c.lifecycle_stage).where(_RUNS.c.run_uuid == run_id)
            ).scalar()
            if stage != LifecycleStage.ACTIVE:
                raise SwathError(f"the run {run_id} has been deleted in the store")
            connection.execute(_METRICS.insert(), rows)
            for key, row in last.items():
                here = (_LATEST.c.run_uuid == run_id) & (_LATEST.c.key == key)
                if connection.execute(_LATEST.update().where(here).values(row)).rowcount == 0:
                    connection.execute(_LATEST.insert().values(row))


def sql_steps(client: MlflowClient) -> SqlSteps | None:
    """The writer for a client's store; None for other stores and for untested versions of MLflow."""
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore) and mlflow.__version__.startswith(TESTED_VERSIONS):
        return SqlSteps(store.engine)
    return None


def untested_version(client: MlflowClient) -> str:
    """A line on a version of MLflow whose tables are not written directly; empty for the others."""
    store = client._tracking_client.store
    if not isinstance(store, SqlAlchemyStore) or mlflow.__version__.startswith(TESTED_VERSIONS):
        return ""
    tested = " and ".join(f"{version}x" for version in TESTED_VERSIONS)
    return (
        f"MLflow {mlflow.__version__} was not tested with swath, so steps are stored by its own calls, which "
        f"takes {SLOWER} times as long; tested: {tested}"
    )


def _stored(values: NDArray[Any]) -> list[dict[str, Any]]:
    """Values in MLflow's form: NaN is 0 with a flag, infinity is the largest double."""
    return [
        {
            "value": 0.0 if math.isnan(value) else max(min(value, LARGEST_DOUBLE), -LARGEST_DOUBLE),
            "is_nan": math.isnan(value),
        }
        for value in values.tolist()
    ]


WAIT_S = 30
"""Seconds to wait for a database that another program is writing."""


AT_ONCE = 500
"""Number of runs in one query; SQLite limits the parameters of a query."""


class SqlReader:
    """Reads an SQL store. An SQLite file is opened for reading only.

    Attributes:
      moved: folder next to a copied database that holds the files whose stored location is another one.
    """

    def __init__(self, uri: str) -> None:
        """Open the store.

        Raises:
          SwathError: another version of MLflow created its tables.
        """
        path = database_file(uri)
        self._folder = None if path is None else path.parent
        self.moved: str | None = None
        if path is None:
            self._engine = sqlalchemy.create_engine(uri)
        else:
            # SQLAlchemy takes one quoting off, SQLite the other.
            address = f"sqlite:///file:{quote(quote(str(path)))}?mode=ro&uri=true"
            self._engine = sqlalchemy.create_engine(address, connect_args={"timeout": WAIT_S})
        check_version(self._engine, uri)

    def runs(self, tags: Mapping[str, str | None], status: str | None = None) -> list[StoredRun]:
        """See `Reader`."""
        chosen = sqlalchemy.select(_RUNS.c.run_uuid).where(_active())
        if status is not None:
            chosen = chosen.where(_RUNS.c.status == status)
        for name, value in tags.items():
            names = [name, *schema.former_names(name)]
            having = (_TAGS.c.run_uuid == _RUNS.c.run_uuid) & _TAGS.c.key.in_(names)
            if value is not None:
                having &= _TAGS.c.value == value
            chosen = chosen.where(sqlalchemy.exists().where(having))
        return self._read(chosen)

    def run(self, run_id: str) -> StoredRun | None:
        """See `Reader`."""
        found = self._read(sqlalchemy.select(_RUNS.c.run_uuid).where(_active(), _RUNS.c.run_uuid == run_id))
        return found[0] if found else None

    def _read(self, chosen: Any) -> list[StoredRun]:
        with self._engine.connect() as connection:
            columns = (
                _RUNS.c.run_uuid,
                _RUNS.c.experiment_id,
                _RUNS.c.name,
                _RUNS.c.status,
                _RUNS.c.start_time,
                _RUNS.c.end_time,
                _RUNS.c.artifact_uri,
            )
            rows = connection.execute(
                sqlalchemy.select(*columns)
                .where(_RUNS.c.run_uuid.in_(chosen))
                .order_by(_RUNS.c.start_time, _RUNS.c.run_uuid)
            ).all()
            runs = {
                row.run_uuid: StoredRun(
                    row.run_uuid,
                    str(row.experiment_id),
                    row.name or "",
                    row.status or RunStatus.to_string(RunStatus.RUNNING),
                    row.start_time or 0,
                    row.end_time,
                    self._place_of_files(row.artifact_uri or "", row.run_uuid),
                )
                for row in rows
            }
            for table in (_TAGS, _PARAMS):
                named = sqlalchemy.select(table.c.run_uuid, table.c.key, table.c.value)
                for run_id, key, value in connection.execute(named.where(table.c.run_uuid.in_(chosen))):
                    if run_id not in runs:  # created between the queries
                        continue
                    if table is _TAGS and key in schema.FORMER_TAGS:
                        runs[run_id].tags.setdefault(schema.FORMER_TAGS[key], value)
                    elif table is _TAGS:
                        runs[run_id].tags[key] = value
                    elif not key.startswith(schema.LOG10):
                        runs[run_id].params[key] = value
            latest = sqlalchemy.select(*(_LATEST.c[name] for name in _LATEST_COLUMNS))
            for run_id, key, value, is_nan, step in connection.execute(
                latest.where(_LATEST.c.run_uuid.in_(chosen))
            ):
                if run_id in runs:
                    runs[run_id].metrics[key] = stored_value(value, is_nan)
                    runs[run_id].last_steps[key] = step
        return list(runs.values())

    def _place_of_files(self, artifact_uri: str, run_id: str) -> str:
        """Location of a run's files: the folder next to the database, if it has one for the run.

        Stored locations are absolute, so those of a copied store refer to the original.
        """
        if self._folder is None or not is_local_uri(artifact_uri):
            return artifact_uri
        stored = Path(local_file_uri_to_path(artifact_uri))
        beside = self._folder / "mlruns" / Path(*stored.parts[-3:])
        if run_id not in stored.parts or beside == stored or not beside.is_dir():
            return artifact_uri
        self.moved = str(beside.parents[1])
        return str(beside)

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """See `Reader`."""
        found: dict[str, list[Curve]] = {run_id: [] for run_id in run_ids}
        columns = (_METRICS.c.run_uuid, _METRICS.c.key, _METRICS.c.step, _METRICS.c.value, _METRICS.c.is_nan)
        with self._engine.connect() as connection:
            for first in range(0, len(run_ids), AT_ONCE):
                rows = connection.execute(
                    sqlalchemy.select(*columns)
                    .where(_METRICS.c.run_uuid.in_(run_ids[first : first + AT_ONCE]))
                    .where(_METRICS.c.key.in_(metrics))
                    .order_by(_METRICS.c.run_uuid, _METRICS.c.key, _METRICS.c.step, _METRICS.c.timestamp)
                )
                for (run_id, key), values in groupby(rows, key=lambda row: (row[0], row[1])):
                    found[run_id].append(_curve(run_id, key, list(values)))
        return [curve for run_id in found for curve in found[run_id]]


def _active() -> Any:
    return _RUNS.c.lifecycle_stage == LifecycleStage.ACTIVE


def stored_value(value: float, is_nan: bool = False) -> float:
    """A stored value as a float: NaN has a flag, infinity is the largest double."""
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= LARGEST_DOUBLE else value


def _curve(run_id: str, metric: str, rows: Sequence[Any]) -> Curve:
    steps = np.fromiter((row[2] for row in rows), np.int64, len(rows))
    values = np.fromiter((row[3] for row in rows), np.float64, len(rows))
    infinite = np.abs(values) >= LARGEST_DOUBLE
    values[infinite] = np.copysign(np.inf, values[infinite])
    values[np.fromiter((row[4] for row in rows), np.bool_, len(rows))] = np.nan
    return Curve(run_id, metric, steps, values)
