"""Per-step metrics, written directly into MLflow's SQL tables.

MLflow's interface creates an object for each value: that takes seconds for 72 curves of 1,000 steps.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy

from swath.errors import SwathError
from swath.tracking.client import Client, engine_of
from swath.tracking.lots import Fence
from swath.tracking.mlflow_runs import last_steps
from swath.tracking.repeating import patiently
from swath.tracking.run_records import MetricBatch, Status
from swath.tracking.sql_end import write_end, write_reopened
from swath.tracking.sql_start import NewRun, write_description, write_start
from swath.tracking.sql_step_rows import RunTags, insert_steps, rows_of, set_latest, set_tags
from swath.tracking.tables import ACTIVE, RUNS, TESTED_VERSIONS, is_tested, mlflow_version

SLOWER = 5
"""How much longer tracking takes with `log_batch`; see docs/benchmarks.md."""


class SqlSteps:
    """Writes per-step metrics; created by `sql_steps`."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine

    def write(
        self,
        batches: Sequence[tuple[str, MetricBatch]],
        fence: Fence | None = None,
        tags: RunTags = MappingProxyType({}),
    ) -> None:
        """Store batches of runs, all in one transaction or none.

        The steps of a batch must come after the stored ones of its metrics.

        Args:
          batches: MLflow's id of a run, and values; a run may come several times.
          fence: what the writer must still be; None for runs of no lot.
          tags: tags of these or other runs, which are set in the same transaction.

        Raises:
          SupersededError: it no longer is.
          SwathError: a run does not exist, or has been deleted.
          sqlalchemy.exc.SQLAlchemyError: the database rejects it.
        """
        now_ms = time.time_ns() // 1_000_000
        rows = [row for run_id, batch in batches for row in rows_of(run_id, batch, now_ms)]
        if not rows and not tags:
            return
        with self._engine.begin() as connection:
            _check_active(connection, {run_id for run_id, _ in [*batches, *tags]})
            if rows:
                insert_steps(connection, rows)
                set_latest(connection, rows)
            set_tags(connection, tags)
            if fence is not None:
                fence.check_in(connection)

    def start(self, run: NewRun, fence: Fence | None = None) -> None:
        """See `write_start`."""
        write_start(self._engine, run, fence)

    def describe(self, run: NewRun, fence: Fence | None = None) -> None:
        """See `write_description`."""
        with self._engine.begin() as connection:
            _check_active(connection, [run.run_id])
            write_description(connection, run)
            if fence is not None:
                fence.check_in(connection)

    def end(
        self,
        run_id: str,
        status: Status,
        metrics: Mapping[str, float],
        tags: Mapping[str, str | None],
        when: tuple[int, int],
        fence: Fence | None = None,
    ) -> None:
        """See `write_end`; `when` is the time in milliseconds since 1970, and the step of the metrics."""
        write_end(self._engine, run_id, status, metrics, tags, *when, fence)

    def reopen(
        self, run_id: str, tags: Mapping[str, str], gone: Collection[str], fence: Fence | None = None
    ) -> None:
        """See `write_reopened`."""
        write_reopened(self._engine, run_id, tags, gone, fence)


def _check_active(connection: sqlalchemy.Connection, run_ids: Collection[str]) -> None:
    here = RUNS.c.run_uuid.in_(run_ids) & (RUNS.c.lifecycle_stage == ACTIVE)
    active = set(connection.execute(sqlalchemy.select(RUNS.c.run_uuid).where(here)).scalars())
    for run_id in run_ids:
        if run_id not in active:
            raise SwathError(f"the run {run_id} has been deleted in the store")


def sql_steps(client: Client) -> SqlSteps | None:
    """The writer for a client's store; None for other stores and for untested versions of MLflow."""
    engine = engine_of(client)
    return SqlSteps(engine) if engine is not None and is_tested() else None


def untested_version(client: Client) -> str:
    """A line on a version of MLflow whose tables are not written directly; empty for the others."""
    if engine_of(client) is None or is_tested():
        return ""
    tested = " and ".join(f"{version}x" for version in TESTED_VERSIONS)
    return (
        f"MLflow {mlflow_version()} was not tested with swath, so steps are stored by its own calls, which "
        f"takes {SLOWER} times as long; tested: {tested}"
    )


def write_steps(
    steps: SqlSteps,
    client: Client,
    batches: Sequence[tuple[str, MetricBatch]],
    fence: Fence | None = None,
    tags: RunTags = MappingProxyType({}),
) -> None:
    """Store batches of runs; what is stored already is read before anything is sent again.

    Args:
      steps: writes them.
      client: client of the same store.
      batches: see `SqlSteps.write`.
      fence: what the writer must still be; None for runs of no lot.
      tags: see `SqlSteps.write`.
    """

    def rest() -> None:
        stored = {run_id: last_steps(client.get_run(run_id)) for run_id, _ in batches}
        left = [(run_id, part) for run_id, batch in batches for part in batch.after(stored[run_id])]
        steps.write(left, fence, tags)

    patiently(lambda: steps.write(batches, fence, tags), rest)
