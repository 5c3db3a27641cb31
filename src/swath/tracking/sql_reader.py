"""Reads the runs and curves of an SQL store from MLflow's tables.

MLflow's interface reads a curve with one query, which takes a tenth of a second.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import numpy as np
import sqlalchemy

from swath.tracking import schema
from swath.tracking.format import FORMER_TAGS, former_names
from swath.tracking.locations import WAIT_S, OwnFiles
from swath.tracking.mlflow_setup import database_file
from swath.tracking.sql_values import LARGEST_DOUBLE, stored_value
from swath.tracking.stored_curves import count_steps_in_files, with_files
from swath.tracking.stored_runs import Curve, StoredRun, complete_params
from swath.tracking.tables import (
    EXPERIMENT_TAGS,
    EXPERIMENTS,
    LATEST,
    METRICS,
    PARAMS,
    RUNS,
    TAGS,
    check_version,
)

_LATEST_COLUMNS = ("run_uuid", "key", "value", "is_nan", "step")

AT_ONCE = 500
"""Number of runs in one query; SQLite limits the parameters of a query."""


ROWS_AT_ONCE = 2_000
"""Rows that are fetched together."""


class SqlReader:
    """Reads an SQL store. An SQLite file is opened for reading only."""

    def __init__(self, uri: str) -> None:
        """Open the store.

        Raises:
          SwathError: another version of MLflow created its tables.
        """
        path = database_file(uri)
        self._files = OwnFiles(uri)
        # A pool would keep connections open until the garbage collector finds the reader.
        if path is None:
            self._engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
        else:
            # SQLAlchemy takes one quoting off, SQLite the other.
            address = f"sqlite:///file:{quote(quote(str(path)))}?mode=ro&uri=true"
            self._engine = sqlalchemy.create_engine(
                address, poolclass=sqlalchemy.NullPool, connect_args={"timeout": WAIT_S}
            )
        check_version(self._engine, uri)

    @property
    def moved(self) -> str | None:
        """See `Reader`; None until such a run has been read."""
        return self._files.moved

    def runs(
        self, tags: Mapping[str, str | None], status: str | None = None, *, deleted: bool = False
    ) -> list[StoredRun]:
        """See `Reader`."""
        chosen = sqlalchemy.select(RUNS.c.run_uuid)
        if not deleted:
            chosen = chosen.where(_active())
        if status is not None:
            chosen = chosen.where(RUNS.c.status == status)
        for name, value in tags.items():
            former = former_names(name)
            # A former name counts only where the present one is missing, as in `with_present_names`.
            chosen = chosen.where(
                _has_tag([name], value) | (_has_tag(former, value) & ~_has_tag([name], None))
                if former
                else _has_tag([name], value)
            )
        return self._read(chosen)

    def run(self, run_id: str) -> StoredRun | None:
        """See `Reader`."""
        found = self._read(sqlalchemy.select(RUNS.c.run_uuid).where(_active(), RUNS.c.run_uuid == run_id))
        return found[0] if found else None

    def _read(self, chosen: Any) -> list[StoredRun]:
        with self._engine.connect() as connection:
            columns = (
                RUNS.c.run_uuid,
                RUNS.c.experiment_id,
                RUNS.c.name,
                RUNS.c.status,
                RUNS.c.start_time,
                RUNS.c.end_time,
                RUNS.c.artifact_uri,
            )
            rows = connection.execute(
                sqlalchemy.select(*columns)
                .where(RUNS.c.run_uuid.in_(chosen))
                .order_by(RUNS.c.start_time, RUNS.c.run_uuid)
            ).all()
            runs = {
                row.run_uuid: StoredRun(
                    row.run_uuid,
                    str(row.experiment_id),
                    row.name or "",
                    row.status or "RUNNING",
                    row.start_time or 0,
                    row.end_time,
                    self._files.location(str(row.experiment_id), row.artifact_uri or "", row.run_uuid),
                )
                for row in rows
            }
            same: dict[str, str] = {}  # one object for each text: most runs have the same tags and params
            for table in (TAGS, PARAMS):
                named = sqlalchemy.select(table.c.run_uuid, table.c.key, table.c.value)
                for run_id, key, value in _rows(connection, named.where(table.c.run_uuid.in_(chosen))):
                    key, value = same.setdefault(key, key), same.setdefault(value, value)
                    if run_id not in runs:  # created between the queries
                        continue
                    if table is TAGS and key in FORMER_TAGS:
                        runs[run_id].tags.setdefault(FORMER_TAGS[key], value)
                    elif table is TAGS:
                        runs[run_id].tags[key] = value
                    elif not key.startswith(schema.LOG10):
                        runs[run_id].params[key] = value
            latest = sqlalchemy.select(*(LATEST.c[name] for name in _LATEST_COLUMNS))
            for run_id, key, value, is_nan, step in _rows(
                connection, latest.where(LATEST.c.run_uuid.in_(chosen))
            ):
                if run_id in runs:
                    key = same.setdefault(key, key)
                    runs[run_id].metrics[key] = stored_value(value, is_nan)
                    runs[run_id].last_steps[key] = step
        for run in runs.values():
            run.params.update(complete_params(run.params, run.tags))
            count_steps_in_files(run)
        return list(runs.values())

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """See `Reader`."""
        return with_files(self._in_file, self.run, self.rows, run_ids, metrics)

    def experiment(self, experiment_id: str) -> tuple[str, dict[str, str]] | None:
        """See `Reader`."""
        number = int(experiment_id)
        named = sqlalchemy.select(EXPERIMENTS.c.name).where(EXPERIMENTS.c.experiment_id == number)
        tags = sqlalchemy.select(EXPERIMENT_TAGS.c.key, EXPERIMENT_TAGS.c.value)
        with self._engine.connect() as connection:
            name = connection.execute(named).scalar()
            if name is None:
                return None
            rows = connection.execute(tags.where(EXPERIMENT_TAGS.c.experiment_id == number)).all()
        return str(name), {row.key: row.value for row in rows}

    def _in_file(self, run_ids: Sequence[str]) -> list[StoredRun]:
        """Those of the runs that keep their curves in files."""
        found: list[StoredRun] = []
        for first in range(0, len(run_ids), AT_ONCE):
            some = RUNS.c.run_uuid.in_(run_ids[first : first + AT_ONCE])
            found += self._read(
                sqlalchemy.select(RUNS.c.run_uuid).where(some, _has_tag([schema.CURVES], None))
            )
        return found

    def rows(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """What MLflow's table has of these curves, without the files of runs."""
        found: dict[str, list[Curve]] = {run_id: [] for run_id in run_ids}
        columns = (METRICS.c.run_uuid, METRICS.c.key, METRICS.c.step, METRICS.c.value, METRICS.c.is_nan)
        with self._engine.connect() as connection:
            for first in range(0, len(run_ids), AT_ONCE):
                query = (
                    sqlalchemy.select(*columns)
                    .where(METRICS.c.run_uuid.in_(run_ids[first : first + AT_ONCE]))
                    .where(METRICS.c.key.in_(metrics))
                    .order_by(METRICS.c.run_uuid, METRICS.c.key, METRICS.c.step, METRICS.c.timestamp)
                )
                for (run_id, key), rows in groupby(_rows(connection, query), key=itemgetter(0, 1)):
                    found[run_id].append(_curve(run_id, key, rows))
        return [curve for run_id in found for curve in found[run_id]]


def _rows(connection: sqlalchemy.Connection, query: Any) -> Iterator[Any]:
    """The rows of a query as the database's driver gives them.

    SQLAlchemy makes an object of each row, which takes longer than reading it.
    """
    with connection.execute(query) as result:
        while rows := result.cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows


def _has_tag(names: Sequence[str], value: str | None) -> Any:
    """Whether a run has a tag with one of these names; with this value, unless it is None."""
    having = (TAGS.c.run_uuid == RUNS.c.run_uuid) & TAGS.c.key.in_(names)
    return sqlalchemy.exists().where(having if value is None else having & (TAGS.c.value == value))


def _active() -> Any:
    return RUNS.c.lifecycle_stage == "active"


def _curve(run_id: str, metric: str, rows: Iterable[Any]) -> Curve:
    _, _, steps, values, are_nan = zip(*rows, strict=True)
    found = np.array(values, np.float64)
    infinite = np.abs(found) >= LARGEST_DOUBLE
    found[infinite] = np.copysign(np.inf, found[infinite])
    found[np.array(are_nan, np.bool_)] = np.nan
    return Curve(run_id, metric, np.array(steps, np.int64), found)
