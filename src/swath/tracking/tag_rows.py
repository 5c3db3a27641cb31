"""Tags of a run in MLflow's SQL tables, read and written within a transaction of the caller."""

from collections.abc import Collection, Mapping

import sqlalchemy

from swath.tracking.sql_upsert import upsert
from swath.tracking.tables import RUNS, TAGS

LONGEST_TAG = 8_000
"""Characters after which MLflow truncates the value of a tag."""


def lock_run(connection: sqlalchemy.Connection, run_id: str) -> None:
    """Let nobody else lock the run until the transaction ends; SQLite becomes the only writer."""
    connection.execute(RUNS.update().where(RUNS.c.run_uuid == run_id).values(status=RUNS.c.status))


def read_tags(connection: sqlalchemy.Connection, run_id: str) -> dict[str, str]:
    """The tags of a run. Nobody else can change them until the transaction ends."""
    here = sqlalchemy.select(TAGS.c.key, TAGS.c.value).where(TAGS.c.run_uuid == run_id)
    rows = connection.execute(here.with_for_update()).all()
    return {str(row.key): str(row.value) for row in rows}


def replace_tags(
    connection: sqlalchemy.Connection, run_id: str, tags: Mapping[str, str], gone: Collection[str] = ()
) -> None:
    """Set tags of a run, and remove others.

    Args:
      connection: in a transaction.
      run_id: MLflow's id of the run.
      tags: tags, which replace those of the same name.
      gone: names of tags that it must not have any more.
    """
    if gone:
        connection.execute(TAGS.delete().where((TAGS.c.run_uuid == run_id) & TAGS.c.key.in_(list(gone))))
    rows = [{"run_uuid": run_id, "key": name, "value": value[:LONGEST_TAG]} for name, value in tags.items()]
    upsert(connection, TAGS, ("run_uuid", "key"), rows)
