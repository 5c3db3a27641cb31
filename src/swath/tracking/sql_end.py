"""The end of a run and its reopening, written directly into MLflow's SQL tables, each in one transaction.

MLflow's client needs a transaction for each metric, tag and status, so a process that dies in between would
leave half an end, and a later worker could begin the run's lot in between.
"""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy

from swath.errors import SwathError
from swath.tracking.lots import Fence
from swath.tracking.run_records import Status
from swath.tracking.sql_upsert import upsert
from swath.tracking.sql_values import stored_columns
from swath.tracking.tables import ACTIVE, LATEST, METRICS, RUNS
from swath.tracking.tag_rows import replace_tags


def write_end(
    engine: sqlalchemy.Engine,
    run_id: str,
    status: Status,
    metrics: Mapping[str, float],
    tags: Mapping[str, str | None],
    now_ms: int,
    step: int,
    fence: Fence | None = None,
) -> None:
    """End a run as a whole or not at all. Repeating it with the same arguments changes nothing.

    Args:
      engine: of MLflow's store.
      run_id: MLflow's id of the run.
      status: its status.
      metrics: metrics with a single value that the run does not have.
      tags: tags, which replace those of the same name; None removes one.
      now_ms: the time, in milliseconds since 1970.
      step: step of the metrics.
      fence: what the writer must still be; None for a run of no lot.

    Raises:
      SupersededError: it no longer is.
      SwathError: the run does not exist, or has been deleted.
      sqlalchemy.exc.SQLAlchemyError: the database rejects it.
    """
    with engine.begin() as connection:
        _set_status(connection, run_id, fence, status=status, end_time=now_ms)
        rows = [
            {"run_uuid": run_id, "key": name, "timestamp": now_ms, "step": step, **stored_columns(value)}
            for name, value in metrics.items()
        ]
        if rows:
            # An earlier attempt may have been carried out without an answer.
            sent = (METRICS.c.run_uuid == run_id) & METRICS.c.key.in_(list(metrics))
            connection.execute(METRICS.delete().where(sent & (METRICS.c.timestamp == now_ms)))
            connection.execute(METRICS.insert(), rows)
            upsert(connection, LATEST, ("run_uuid", "key"), rows)
        gone = [name for name, value in tags.items() if value is None]
        new = {name: value for name, value in tags.items() if value is not None}
        replace_tags(connection, run_id, new, gone)


def write_reopened(
    engine: sqlalchemy.Engine,
    run_id: str,
    tags: Mapping[str, str],
    gone: Collection[str],
    fence: Fence | None = None,
) -> None:
    """Set a run to RUNNING as a whole or not at all. Repeating it with the same arguments changes nothing.

    Args:
      engine: of MLflow's store.
      run_id: MLflow's id of the run.
      tags: tags, which replace those of the same name.
      gone: names of tags that it must not have any more.
      fence: what the writer must still be; None for a run of no lot.

    Raises:
      SupersededError: it no longer is.
      SwathError: the run does not exist, or has been deleted.
      sqlalchemy.exc.SQLAlchemyError: the database rejects it.
    """
    with engine.begin() as connection:
        _set_status(connection, run_id, fence, status="RUNNING")
        replace_tags(connection, run_id, tags, gone)


def _set_status(connection: sqlalchemy.Connection, run_id: str, fence: Fence | None, **values: Any) -> None:
    here = (RUNS.c.run_uuid == run_id) & (RUNS.c.lifecycle_stage == ACTIVE)
    if connection.execute(RUNS.update().where(here).values(**values)).rowcount == 0:
        raise SwathError(f"the run {run_id} has been deleted in the store")
    if fence is not None:
        fence.check_in(connection)
