"""MLflow's tables in a PostgreSQL database, made once however many commands find it empty."""

from typing import Any

import sqlalchemy
from mlflow.store.db.utils import _all_tables_exist, _initialize_tables
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import ProgrammingError

from swath.errors import SwathError
from swath.system import hide_password

LOCK = 0x7377617468
"""Number of the advisory lock, `swath` in ASCII; PostgreSQL keeps one of each number in a database."""


def make_shared_tables(uri: str) -> None:
    """Make MLflow's tables and its first experiment in a PostgreSQL database that lacks them.

    MLflow makes them without a lock: of several commands that find a database empty, one goes on and the
    others die. Other databases are left to MLflow.

    Raises:
      SwathError: the user may not make tables.
    """
    url = sqlalchemy.make_url(uri)
    if url.get_backend_name() != "postgresql":
        return
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        if _is_ready(engine):
            return
        with engine.connect() as connection:  # the lock ends with its connection, also when this process dies
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
            if not _all_tables_exist(engine):
                _initialize_tables(engine)
            if not _is_ready(engine):
                # Its experiment "Default" is made when the store is opened for the first time.
                assert isinstance(MlflowClient(tracking_uri=uri)._tracking_client.store, SqlAlchemyStore)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != NOT_ALLOWED:
            raise
        raise SwathError(
            f"the store {hide_password(uri, uri)}: {url.username} may not make tables in the database "
            f"{url.database}; its owner allows it with: GRANT CREATE ON SCHEMA public TO {url.username}"
        ) from error
    finally:
        engine.dispose()


NOT_ALLOWED = "42501"
"""SQLSTATE of a missing right."""


def _is_ready(engine: sqlalchemy.Engine) -> bool:
    """Whether all tables and an experiment are there; otherwise MLflow would make them."""
    if not _all_tables_exist(engine):
        return False
    with engine.connect() as connection:
        first: Any = sqlalchemy.select(SqlExperiment.experiment_id).limit(1)
        return connection.execute(first).first() is not None
