"""The client of a store: of a database directly, or MLflow's own."""

from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy

from swath.tracking.entities import Run
from swath.tracking.patience import be_patient, is_patient
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
    if not isinstance(client, SqlClient):
        return client
    from mlflow.tracking import MlflowClient

    from swath.tracking.mlflow_setup import wait_for_locks

    made = MlflowClient(tracking_uri=client.tracking_uri)
    if not is_patient(made):  # MLflow keeps one store for each address
        wait_for_locks(made._tracking_client.store.engine)
        be_patient(made)
    return made
