"""Rows of per-step metrics, each kind written with as few statements as its database allows."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from swath.tracking.run_records import MetricBatch
from swath.tracking.sql_upsert import upsert
from swath.tracking.sql_values import stored_series
from swath.tracking.tables import LATEST, METRICS, TAGS

Row = tuple[str, str, int, int, float, bool]
"""A row of `COLUMNS`. A dict of each would take half as long again to store."""

RunTags = Mapping[tuple[str, str], str]
"""Values of tags, by id of the run and name."""

COLUMNS = ("run_uuid", "key", "timestamp", "step", "value", "is_nan")
"""Columns of both tables."""


def rows_of(run_id: str, batch: MetricBatch, timestamp_ms: int) -> list[Row]:
    """The rows of a batch, by metric and step.

    Args:
      run_id: MLflow's id of the run.
      batch: the values.
      timestamp_ms: the time of all rows, in milliseconds since 1970.
    """
    return [
        (run_id, name, timestamp_ms, step, value, is_nan)
        for name, values in batch.values.items()
        for step, value, is_nan in zip(
            count(batch.first_step, batch.every), *stored_series(values), strict=False
        )
    ]


def insert_steps(connection: sqlalchemy.Connection, rows: Sequence[Row]) -> None:
    """Insert rows of metrics: by COPY where the driver is psycopg 3."""
    if connection.dialect.driver == "psycopg":
        _copy(connection, rows)
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_INSERT, list(rows))
    else:
        connection.execute(METRICS.insert(), [_by_name(row) for row in rows])


_INSERT = f"INSERT INTO {METRICS.name} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def _by_name(row: Row) -> dict[str, Any]:
    return dict(zip(COLUMNS, row, strict=True))


def set_latest(connection: sqlalchemy.Connection, rows: Sequence[Row]) -> None:
    """Make the last row of each run and metric its latest value.

    Args:
      connection: in a transaction.
      rows: of any runs and metrics; of two rows of one metric the later counts.
    """
    last = [_by_name(row) for row in {row[:2]: row for row in rows}.values()]
    upsert(connection, LATEST, ("run_uuid", "key"), last)


def set_tags(connection: sqlalchemy.Connection, tags: RunTags) -> None:
    """Set tags of runs.

    Args:
      connection: in a transaction.
      tags: value by id of the run and name.
    """
    rows = [{"run_uuid": run_id, "key": name, "value": value} for (run_id, name), value in tags.items()]
    upsert(connection, TAGS, ("run_uuid", "key"), rows)


_COPY = f"COPY metrics ({', '.join(COLUMNS)}) FROM STDIN"


def _copy(connection: sqlalchemy.Connection, rows: Sequence[Row]) -> None:
    """Send rows as text: MLflow allows no character in the name of a metric that would need quoting."""
    text = "".join(
        f"{run_id}\t{name}\t{time_ms}\t{step}\t{value!r}\t{is_nan}\n"
        for run_id, name, time_ms, step, value, is_nan in rows
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(text)
    except connection.dialect.loaded_dbapi.Error as error:
        # As SQLAlchemy does for its own statements, so that the error is understood and the pool forgets
        # a connection that is lost.
        is_lost = connection.dialect.is_disconnect(error, driver, None)
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            _COPY, None, error, connection.dialect.loaded_dbapi.Error, connection_invalidated=is_lost
        ) from error
