"""MLflow's tables in a PostgreSQL database, made once however many commands find it empty."""

import sqlalchemy
from sqlalchemy.exc import ProgrammingError

from swath.errors import SwathError
from swath.system import hide_password
from swath.tracking.tables import is_ready

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
        if is_ready(engine):
            return
        from mlflow.store.db.utils import _all_tables_exist, _initialize_tables
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from mlflow.tracking import MlflowClient

        with engine.connect() as connection:  # the lock ends with its connection, also when this process dies
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
            if not _all_tables_exist(engine):
                _initialize_tables(engine)
            if not is_ready(engine):
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
