"""The client of a store: of a database directly, or MLflow's own."""

from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy

from swath.tracking.entities import Run
from swath.tracking.sql_client import SqlClient

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.tracking import MlflowClient

Client: TypeAlias = "SqlClient | MlflowClient"
"""What writes runs, apart from what is written directly into tables."""

AnyRun: TypeAlias = "Run | MlflowRun"
"""A run as a client returns it."""


def engine_of(client: Client) -> sqlalchemy.Engine | None:
    """The database of a client's store; None for a server."""
    if isinstance(client, SqlClient):
        return client.engine
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = client._tracking_client.store
    return store.engine if isinstance(store, SqlAlchemyStore) else None


def mlflow_client(client: Client) -> "MlflowClient":
    """MLflow's own client of a store, for what only it can do."""
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=client.tracking_uri) if isinstance(client, SqlClient) else client
