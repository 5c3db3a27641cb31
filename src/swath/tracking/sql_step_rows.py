"""Rows of per-step metrics, each kind written with as few statements as its database allows."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from swath.tracking.run_records import MetricBatch
from swath.tracking.sql_values import stored_columns
from swath.tracking.tables import LATEST, METRICS, TAGS

Row = Mapping[str, Any]

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
        {
            "run_uuid": run_id,
            "key": name,
            "timestamp": timestamp_ms,
            "step": batch.first_step + offset * batch.every,
            **stored_columns(value),
        }
        for name, values in batch.values.items()
        for offset, value in enumerate(values.tolist())
    ]


def insert_steps(connection: sqlalchemy.Connection, rows: Sequence[Row]) -> None:
    """Insert rows of metrics: by COPY where the driver is psycopg 3."""
    if connection.dialect.driver == "psycopg":
        _copy(connection, rows)
    else:
        connection.execute(METRICS.insert(), rows)


def set_latest(connection: sqlalchemy.Connection, rows: Sequence[Row]) -> None:
    """Make the last row of each run and metric its latest value.

    Args:
      connection: in a transaction.
      rows: of any runs and metrics; of two rows of one metric the later counts.
    """
    last = list({(row["run_uuid"], row["key"]): row for row in rows}.values())
    dialect = connection.dialect.name
    if dialect in ("postgresql", "sqlite"):
        make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
        new = make(LATEST)
        changed = {name: new.excluded[name] for name in COLUMNS[2:]}
        keys = [LATEST.c.run_uuid, LATEST.c.key]
        connection.execute(new.on_conflict_do_update(index_elements=keys, set_=changed), last)
        return
    for row in last:
        here = (LATEST.c.run_uuid == row["run_uuid"]) & (LATEST.c.key == row["key"])
        if connection.execute(LATEST.update().where(here).values(row)).rowcount == 0:
            connection.execute(LATEST.insert().values(row))


def set_tags(connection: sqlalchemy.Connection, tags: RunTags) -> None:
    """Set tags of runs.

    Args:
      connection: in a transaction.
      tags: value by id of the run and name.
    """
    rows = [{"run_uuid": run_id, "key": name, "value": value} for (run_id, name), value in tags.items()]
    if rows:
        here = (TAGS.c.run_uuid == bindparam("of_run")) & (TAGS.c.key == bindparam("of_key"))
        keys = [{"of_run": run_id, "of_key": name} for run_id, name in tags]
        connection.execute(TAGS.delete().where(here), keys)
        connection.execute(TAGS.insert(), rows)


_COPY = f"COPY metrics ({', '.join(COLUMNS)}) FROM STDIN"


def _copy(connection: sqlalchemy.Connection, rows: Sequence[Row]) -> None:
    """Send rows as text: MLflow allows no character in the name of a metric that would need quoting."""
    text = "".join(
        f"{row['run_uuid']}\t{row['key']}\t{row['timestamp']}\t{row['step']}\t{row['value']!r}\t{row['is_nan']}\n"
        for row in rows
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
