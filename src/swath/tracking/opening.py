"""Opens a store: checks what a command needs of it, and makes what is missing, before anything is trained."""

import os
import sqlite3

import sqlalchemy
from sqlalchemy import event

from swath.tracking import mlflow_runs
from swath.tracking.address import StoreAddress, is_server
from swath.tracking.artifact_place import check_artifact_place
from swath.tracking.client import Client, engine_of
from swath.tracking.databases import check_database
from swath.tracking.locations import keep_files_beside
from swath.tracking.migration import upgrade
from swath.tracking.misplaced import check_located
from swath.tracking.mlflow_setup import check_writable, make_database, wait_for_locks
from swath.tracking.shared_tables import make_shared_tables
from swath.tracking.sql_client import SqlClient
from swath.tracking.sql_upsert import DIRECT
from swath.tracking.tables import is_ready, is_tested


def prepare(address: StoreAddress, uri: str) -> list[str]:
    """Check a store, upgrade its tables, and make them if there are none.

    Args:
      address: of the store and an experiment.
      uri: of the store.

    Returns:
      Lines for the user.

    Raises:
      SwathError: it does not answer, was copied or moved, or cannot be written.
    """
    check_writable(uri)
    check_database(uri)
    check_located(uri, [address.experiment])
    notes = [upgrade(uri)]
    make_database(uri)
    make_shared_tables(uri)
    return notes


POOL_VARIABLES = "MLFLOW_SQLALCHEMYSTORE_"
"""Beginning of the variables that tell MLflow how to connect to a database."""


WORKSPACES = "MLFLOW_ENABLE_WORKSPACES"


def connect(uri: str) -> Client:
    """The client of a prepared store: MLflow's own, unless its tables can be written without MLflow."""
    direct = _direct(uri)
    if direct is not None:
        keep_files_beside(direct, uri)
        return direct
    from mlflow.tracking import MlflowClient

    from swath.tracking.connections import spread_requests

    spread_requests(uri)
    client = MlflowClient(tracking_uri=uri)
    engine = engine_of(client)
    if engine is not None:
        wait_for_locks(engine)
        keep_files_beside(client._tracking_client.store, uri)
    return client


def _direct(uri: str) -> SqlClient | None:
    of_mlflow = any(name.startswith((POOL_VARIABLES, WORKSPACES)) for name in os.environ)
    if is_server(uri) or not is_tested() or of_mlflow:
        return None
    url = sqlalchemy.make_url(uri)
    if url.get_backend_name() not in DIRECT:
        return None
    engine = sqlalchemy.create_engine(url, pool_pre_ping=True)
    if url.get_backend_name() == "sqlite":

        @event.listens_for(engine, "connect")
        def keep_references(connection: sqlite3.Connection, record: object) -> None:
            connection.execute("PRAGMA foreign_keys = ON")

        wait_for_locks(engine)
    if not is_ready(engine):  # MLflow makes what is missing, or says what is wrong
        engine.dispose()
        return None
    return SqlClient(engine, uri)


def experiment_of(client: Client, address: StoreAddress, uri: str) -> tuple[str, str]:
    """The id of the experiment and its place of artifacts, which has been tried.

    The experiment is created if it does not exist.

    Raises:
      SwathError: see `mlflow_runs.experiment_id` and `check_artifact_place`.
    """
    if address.artifacts is not None:  # before an experiment records it for good
        check_artifact_place(address.artifacts, uri)
    found = mlflow_runs.experiment_id(client, address)
    experiment = client.get_experiment(found)
    assert experiment is not None
    place: str = experiment.artifact_location
    if address.artifacts is None:
        check_artifact_place(place, uri)
    return found, place
