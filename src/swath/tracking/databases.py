"""Databases of stores: their drivers, whether they answer, and what their errors mean.

Importing this module does not import MLflow.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from swath.errors import AwayError, SwathError, UsageError
from swath.system import hide_password
from swath.tracking.address import is_server

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.exc import DBAPIError

CONNECT_S = 5
"""Seconds to wait for a database to accept a connection, unless its address or the environment says more."""


LIBPQ = {
    "connect_timeout": CONNECT_S,
    # A machine that has vanished is noticed within half a minute; TCP would wait for a quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""What connections to PostgreSQL are made with; names of its library."""


IDLE_S = 30
"""Seconds after which PostgreSQL ends a transaction whose process does nothing, such as a frozen one.

Else its locks would keep out whoever takes its place for as long as it is frozen.
"""


INSTALL = {
    "psycopg": "pip install 'swath[postgres]'",
    "psycopg2": "pip install 'swath[postgres]' and write postgresql:// without +psycopg2, or pip install "
    "psycopg2-binary",
    "MySQLdb": "pip install pymysql, and write mysql+pymysql://",
    "boto3": "pip install 'swath[s3]'",
    "botocore": "pip install 'swath[s3]'",
    "google": "pip install google-cloud-storage",
    "azure": "pip install azure-storage-blob azure-identity",
}
"""What to type where a module is missing; `pip install MODULE` for others."""


PASSING_STATES = ("08", "40001", "40P01", "57P", "53300", "25006", "25P03")
"""Beginnings of SQLSTATEs that pass: no connection, deadlock, restart, too many connections, standby, and a
transaction that was idle."""


def how_to_install(error: ImportError) -> str:
    """What is missing and what to type, for a driver that cannot be imported."""
    module = (error.name or "").partition(".")[0]
    if not module:  # psycopg is there, but not the library of PostgreSQL that it needs
        module = "psycopg" if "libpq" in str(error) or "pq wrapper" in str(error) else str(error)
    return f"needs {module}, which is not installed; type: {INSTALL.get(module, f'pip install {module}')}"


def check_database(uri: str) -> None:
    """Check that the driver of a database is installed, and that the database lets this user in.

    Takes at most about `CONNECT_S` seconds. MLflow itself tries again for two minutes, without a word.

    Args:
      uri: address of a store; servers and SQLite files are not tried.

    Raises:
      UsageError: the address cannot be understood, or its driver is not installed.
      AwayError: the database does not answer, or is starting.
      SwathError: it does not exist, or refuses the login.
    """
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    if is_server(uri):
        return
    shown = hide_password(uri, uri)
    try:
        url = sqlalchemy.make_url(uri)
        if url.get_backend_name() == "sqlite":
            return
        url.get_dialect().import_dbapi()
    except ArgumentError as error:  # also of an unknown kind of database
        raise UsageError(
            f"the store {shown} cannot be understood ({str(error).splitlines()[0]}); expected an address "
            "such as postgresql://USER@HOST:5432/DATABASE"
        ) from error
    except ImportError as error:
        raise UsageError(f"the store {shown} {how_to_install(error)}") from error
    limit_waiting()
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect():
            pass
    except SQLAlchemyError as error:
        reason = _refusal(str(getattr(error, "orig", error)), url)
        kind = AwayError if is_passing(error) else SwathError
        raise kind(hide_password(f"the store {shown}: {reason}", uri)) from error
    finally:
        engine.dispose()


@cache
def limit_waiting() -> None:
    """Make every engine of this process wait for a PostgreSQL for seconds instead of minutes.

    And make PostgreSQL wait for this process no longer than `IDLE_S` in the middle of a transaction.
    """
    import sqlalchemy
    from sqlalchemy import event

    @event.listens_for(sqlalchemy.Engine, "do_connect")
    def limit(dialect: Any, record: object, arguments: object, named: dict[str, Any]) -> None:
        if dialect.name == "postgresql":
            for name, value in LIBPQ.items():
                if name != "connect_timeout" or "PGCONNECT_TIMEOUT" not in os.environ:
                    named.setdefault(name, value)

    @event.listens_for(sqlalchemy.Engine, "connect")
    def limit_idling(connection: Any, record: object) -> None:
        if "psycopg" in type(connection).__module__:
            with connection.cursor() as cursor:
                cursor.execute(f"SET idle_in_transaction_session_timeout = {1000 * IDLE_S}")
            connection.commit()


_LOGIN = re.compile(
    r"password authentication failed|no password supplied|role \".*\" does not exist|no pg_hba.conf entry"
    r"|Access denied for user|Login failed for user"
)


_NO_DATABASE = re.compile(r"database \"(.*)\" does not exist|Unknown database '(.*)'")


_NOT_THERE = re.compile(
    r"Connection refused|No route to host|Network is unreachable|timed? ?out|timeout expired"
    r"|could not translate host name|Name or service not known|[Nn]o address|Temporary failure in name"
    r"|[Ff]ailed to resolve host|nodename nor servname|No such file or directory|Can't connect to MySQL",
)


def _refusal(text: str, url: "sqlalchemy.URL") -> str:
    """What a database said when it was asked for a connection, and what to change."""
    if found := _NO_DATABASE.search(text):
        name = found[1] or found[2]
        return f"it has no database {name!r}; make it, for instance with: {_createdb(url, name)}"
    if _LOGIN.search(text):
        return (
            f"the login of {url.username or 'this user'} is refused ({_reason(text)}); correct user and "
            "password in the address, or set PGPASSWORD"
        )
    if found := _NOT_THERE.search(text):
        return (
            f"no database answers at {_place(url)} ({found[0]}); is it running there? Otherwise change the "
            "address"
        )
    return f"cannot be opened ({_reason(text)})"


def _createdb(url: "sqlalchemy.URL", name: str) -> str:
    if url.get_backend_name() != "postgresql":
        return f"CREATE DATABASE {name}"
    port = f" -p {url.port}" if url.port else ""
    return f"createdb -h {url.host or 'localhost'}{port} -U {url.username or 'postgres'} {name}"


def _place(url: "sqlalchemy.URL") -> str:
    return f"{url.host or url.query.get('host', 'localhost')}{f':{url.port}' if url.port else ''}"


def _reason(text: str) -> str:
    """The last part of a driver's message: its beginning repeats the address."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = next((line for line in lines if "FATAL" in line or "failed:" in line), lines[0] if lines else "")
    return re.split(r"FATAL:\s*|failed:\s*", chosen)[-1].strip(" ()")


def database_error(error: BaseException) -> "DBAPIError | None":
    """The error of a database behind an error of SQLAlchemy or of MLflow, which wraps it."""
    from sqlalchemy.exc import DBAPIError

    for each in _chain(error):
        if isinstance(each, DBAPIError):
            return each
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def is_passing(error: BaseException) -> bool:
    """Whether an error means that a database is away or busy, so that the same may succeed later.

    A full disk, a broken rule of a table, a missing right or a refused login does not pass.
    """
    from sqlalchemy.exc import InterfaceError, OperationalError

    found = database_error(error)
    if found is None:
        return False
    if isinstance(found.orig, sqlite3.Error):
        code = getattr(found.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(found.orig, "sqlstate", None) or getattr(found.orig, "pgcode", None)
    if state:
        return str(state).startswith(PASSING_STATES)
    # Errors of a connection that was lost, or was never made, have no code and often no statement.
    text = str(found.orig)
    if _LOGIN.search(text) or _NO_DATABASE.search(text):
        return False
    lost = found.connection_invalidated or found.statement is None
    return lost and isinstance(found, OperationalError | InterfaceError)


def passing_reason(error: BaseException) -> str:
    """One line on an error of which `is_passing` is true."""
    found = database_error(error)
    text = str(found.orig if found is not None else error)
    if found is not None and isinstance(found.orig, sqlite3.Error):
        return f"another program keeps the store locked ({text})"
    return f"the database does not answer ({_reason(text)}); is it running?"
