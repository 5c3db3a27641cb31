"""Tags of a run in MLflow's SQL tables, read and written within a transaction of the caller."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

_RUNS: Any = SqlRun.__table__
_TAGS: Any = SqlTag.__table__

LONGEST_TAG = 8_000
"""Characters after which MLflow truncates the value of a tag."""


def engine_of(client: MlflowClient) -> sqlalchemy.Engine | None:
    """The database of a client's store; None for a server."""
    store = client._tracking_client.store
    return store.engine if isinstance(store, SqlAlchemyStore) else None


def lock_run(connection: sqlalchemy.Connection, run_id: str) -> None:
    """Let nobody else lock the run until the transaction ends; SQLite becomes the only writer."""
    connection.execute(_RUNS.update().where(_RUNS.c.run_uuid == run_id).values(status=_RUNS.c.status))


def read_tags(connection: sqlalchemy.Connection, run_id: str) -> dict[str, str]:
    """The tags of a run. Nobody else can change them until the transaction ends."""
    here = sqlalchemy.select(_TAGS.c.key, _TAGS.c.value).where(_TAGS.c.run_uuid == run_id)
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
    if names := [*tags, *gone]:
        connection.execute(_TAGS.delete().where((_TAGS.c.run_uuid == run_id) & _TAGS.c.key.in_(names)))
    if tags:
        values = [
            {"run_uuid": run_id, "key": name, "value": value[:LONGEST_TAG]} for name, value in tags.items()
        ]
        connection.execute(_TAGS.insert(), values)
