"""Reads the runs and curves of an SQL store from MLflow's tables.

MLflow's interface reads a curve with one query, which takes a tenth of a second.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import sqlalchemy
from mlflow.entities import LifecycleStage, RunStatus
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from swath.tracking import schema
from swath.tracking.format import FORMER_TAGS, former_names
from swath.tracking.locations import WAIT_S
from swath.tracking.migration import check_version
from swath.tracking.mlflow_setup import database_file
from swath.tracking.sql_values import LARGEST_DOUBLE, stored_value
from swath.tracking.stored_runs import Curve, StoredRun

_RUNS: Any = SqlRun.__table__
_TAGS: Any = SqlTag.__table__
_PARAMS: Any = SqlParam.__table__
_LATEST: Any = SqlLatestMetric.__table__
_METRICS: Any = SqlMetric.__table__
_LATEST_COLUMNS = ("run_uuid", "key", "value", "is_nan", "step")

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
            names = [name, *former_names(name)]
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
                    if table is _TAGS and key in FORMER_TAGS:
                        runs[run_id].tags.setdefault(FORMER_TAGS[key], value)
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


def _curve(run_id: str, metric: str, rows: Sequence[Any]) -> Curve:
    steps = np.fromiter((row[2] for row in rows), np.int64, len(rows))
    values = np.fromiter((row[3] for row in rows), np.float64, len(rows))
    infinite = np.abs(values) >= LARGEST_DOUBLE
    values[infinite] = np.copysign(np.inf, values[infinite])
    values[np.fromiter((row[4] for row in rows), np.bool_, len(rows))] = np.nan
    return Curve(run_id, metric, steps, values)
