"""Per-step metrics, written directly into MLflow's SQL tables.

MLflow's interface creates an object for each value: that takes seconds for 72 curves of 1,000 steps.
"""

import time
from collections.abc import Mapping
from typing import Any

import mlflow
import sqlalchemy
from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlRun
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking.lots import Fence
from swath.tracking.run_records import MetricBatch, Status
from swath.tracking.sql_end import write_end
from swath.tracking.sql_values import stored_columns

_RUNS: Any = SqlRun.__table__
_LATEST: Any = SqlLatestMetric.__table__
_METRICS: Any = SqlMetric.__table__

TESTED_VERSIONS = ("3.17.", "3.18.")
"""MLflow versions whose tables are written directly; other versions get `log_batch`."""

SLOWER = 5
"""How much longer tracking takes with `log_batch`; see docs/benchmarks.md."""


class SqlSteps:
    """Writes per-step metrics; created by `sql_steps`."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine

    def write(self, run_id: str, batch: MetricBatch, fence: Fence | None = None) -> None:
        """Store a batch as a whole or not at all. Its steps must come after the stored ones of its metrics.

        Args:
          run_id: MLflow's id of the run.
          batch: the values.
          fence: what the writer must still be; None for a run of no lot.

        Raises:
          SupersededError: it no longer is.
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
                **stored_columns(value),
            }
            for name, values in batch.values.items()
            for offset, value in enumerate(values.tolist())
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
            if fence is not None:
                fence.check_in(connection)

    def end(
        self,
        run_id: str,
        status: Status,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        when: tuple[int, int],
        fence: Fence | None = None,
    ) -> None:
        """See `write_end`; `when` is the time in milliseconds since 1970, and the step of the metrics."""
        write_end(self._engine, run_id, status, metrics, tags, *when, fence)


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
