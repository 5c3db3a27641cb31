"""MLflow prepared for swath: environment, default address, SQLite files, errors as one line.

Importing this module does not import MLflow.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from swath.config import FIELDS
from swath.errors import AwayError, SwathError, UsageError, passes
from swath.system import atomic_write, cache_folder, hide_password, hide_passwords, remove_leftovers
from swath.tracking.address import TRACKING_VARIABLE
from swath.tracking.databases import how_to_install, is_passing, passing_reason

if TYPE_CHECKING:
    import sqlalchemy

RETRIES_VARIABLE = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Report an unreachable server within seconds at the start; MLflow's defaults take minutes.
    RETRIES_VARIABLE: "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


RETRIES_ONCE_OPEN = "5"
"""Retries once a server has answered, because it may be restarting: after 0, 4, 8, 16 and 32 seconds."""


DEFAULT_FILE = "mlflow.db"
"""SQLite file in the working folder that MLflow uses by default."""

FILES = "mlruns"
"""Folder of a store's files beside its database, by MLflow's default; also of an old file store."""


LOCAL_HOSTS = "localhost,127.0.0.1,::1"

PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


EXPERIMENT = "swath"
"""Experiment of runs for which no other one was chosen."""


def chosen_experiment(name: str | None) -> tuple[str, str | None]:
    """Name and id of the experiment that runs belong to; the id is None if the name is to be looked up.

    Args:
      name: from the configuration; None to follow MLflow's environment variables.
    """
    if name is not None:
        return name, None
    if from_environment := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return from_environment, None
    identity = os.environ.get("MLFLOW_EXPERIMENT_ID")
    return (identity, identity) if identity else (EXPERIMENT, None)


def ignored_variables() -> list[str]:
    """A line for each variable of MLflow that is set, and that a sweep cannot honour."""
    lines = []
    if "MLFLOW_RUN_ID" in os.environ:
        lines.append("MLFLOW_RUN_ID is not used: each configuration gets a run of its own")
    return lines


def configure_environment() -> None:
    """Set environment variables that the user has not set. Call it before MLflow is imported.

    A server of this machine is never asked through a proxy, which does not know it.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if any(os.environ.get(name) for name in PROXY_VARIABLES):
        for name in ("no_proxy", "NO_PROXY"):
            hosts = os.environ.get(name, "")
            if not hosts.endswith(LOCAL_HOSTS):  # an earlier call may have added them
                os.environ[name] = ",".join(filter(None, [hosts, LOCAL_HOSTS]))


def enable_retries() -> None:
    """Wait for a server that becomes unreachable, unless the user has configured retries."""
    if os.environ.get(RETRIES_VARIABLE) == SETTINGS[RETRIES_VARIABLE]:
        os.environ[RETRIES_VARIABLE] = RETRIES_ONCE_OPEN


def default_uri() -> str:
    """MLflow's tracking URI: from the environment, or its default in the working folder.

    `mlflow.set_tracking_uri` sets the environment variable too. MLflow's own function quotes the path of its
    default, and does not read it as a quoted one.

    Raises:
      UsageError: the working folder has a store of MLflow's former kind, which MLflow no longer writes.
    """
    if chosen := os.environ.get(TRACKING_VARIABLE):
        spec = FIELDS["tracking.uri"]
        if not spec.allows(chosen):
            raise UsageError(f"${TRACKING_VARIABLE}={hide_passwords(chosen)}: expected {spec.expected}")
        return chosen
    if has_file_store():
        raise UsageError(
            f"{Path(FILES).absolute()} is an old file store, which MLflow no longer writes; name "
            f"another store: tracking.uri=sqlite:///{DEFAULT_FILE} (in swath-compare: --uri), or convert it: "
            f"mlflow migrate-filestore --source . --target sqlite:///{DEFAULT_FILE}"
        )
    return f"sqlite:///{DEFAULT_FILE}"


def has_file_store() -> bool:
    """Whether MLflow would take `mlruns` in the working folder for a store of its former kind."""
    return any(path.parent.name.isdigit() for path in Path(FILES).glob("*/meta.yaml"))


LOGIN_VARIABLES = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


_LOGIN = re.compile(r"error code 40[13]\b|\bUNAUTHENTICATED\b|\bPERMISSION_DENIED\b")


_NO_ANSWER = re.compile(r"API request to (?P<server>https?://[^/\s]+)\S* failed with (timeout )?exception")
"""MLflow's message after the last retry of a request without an answer, or with a temporary error."""


_REASON = re.compile(r"(?<=\] )[A-Z][\w ]+|timed out")


_DRIVER = re.compile(r"\((sqlite3|psycopg2?|pymysql)(\.\w+)+\) ")


def is_unreachable(error: Exception) -> bool:
    """Whether an error means that the store or its artifacts do not answer, or are busy for long."""
    if isinstance(error, AwayError):
        return True
    if _is_mlflow_error(error) and _NO_ANSWER.match(str(error)):
        return True
    return is_store_error(error) and is_passing(error)


def may_pass(error: BaseException | None) -> bool:
    """Whether a failure of the store may be over when the same is tried later."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if passes(error) or (isinstance(error, Exception) and is_unreachable(error)):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False


def error_line(error: Exception, uri: str | None) -> str:
    """A store error as one line without passwords; it starts with `MLflow:` unless it is a `SwathError`.

    Args:
      error: raised by MLflow, SQLAlchemy or swath.
      uri: address of the store.
    """
    text = str(error) if isinstance(error, SwathError) else f"MLflow: {error}"
    if isinstance(error, ModuleNotFoundError):
        text = f"this {how_to_install(error)}"
    elif not isinstance(error, SwathError | OSError) and is_store_error(error) and is_passing(error):
        text = passing_reason(error)
    # The first line is the message; SQLAlchemy appends the statement and a link on the next ones.
    line = next((part.strip() for part in text.splitlines() if part.strip()), type(error).__name__)
    if _LOGIN.search(line):
        line = f"the server asks for a login; set {LOGIN_VARIABLES} ({line})"
    if found := _NO_ANSWER.search(line):
        reason = _REASON.search(line)
        line = (
            f"the server {found['server']} does not answer ({reason[0] if reason else line}); "
            "is it running there?"
        )
    return hide_passwords(hide_password(_DRIVER.sub("", line), uri))


def is_store_error(error: Exception) -> bool:
    """Whether MLflow or SQLAlchemy raised an error."""
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, SQLAlchemyError) or _is_mlflow_error(error)


def _is_mlflow_error(error: Exception) -> bool:
    exceptions = sys.modules.get("mlflow.exceptions")
    return exceptions is not None and isinstance(error, exceptions.MlflowException)


_PLAIN_FILE = re.compile(r"sqlite:///(?P<file>(?!:memory:$)[^?%]+)")
"""The address of a file without options or escapes; SQLAlchemy, which reads others, takes long to load."""


def database_file(uri: str) -> Path | None:
    """The file of an SQLite store; None for any other store."""
    if plain := _PLAIN_FILE.fullmatch(uri):
        return Path(plain["file"]).absolute()
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def sqlite_uri(database: Path) -> str:
    """The address of an SQLite file, which `database_file` turns back into its path."""
    return "sqlite:///" + str(database).replace("%", "%25").replace("?", "%3F")


def check_writable(uri: str) -> None:
    """Check that an SQLite store can be written. MLflow itself retries for 100 s before it reports that.

    Raises:
      SwathError: neither the file nor its folder is writable.
    """
    path = database_file(uri)
    if path is None:
        return
    if path.is_symlink() and not path.exists():
        raise UsageError(f"the store {path} is a link to {path.readlink()}, which does not exist")
    folder = next(parent for parent in path.parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        if path.exists():
            with path.open("r+b"):
                pass
    except OSError as error:
        raise SwathError(
            f"the store {uri} cannot be opened or made in {folder} ({error.strerror}); run swath in a folder "
            f"that can be written, or name a store: tracking.uri=sqlite:////PATH/{DEFAULT_FILE}"
        ) from error


LOCKED_S = 120
"""Seconds to wait for an SQLite file that another program has locked; MLflow itself waits for 20."""


_STATEMENT = f"PRAGMA busy_timeout = {1000 * LOCKED_S}"


def wait_for_locks(engine: "sqlalchemy.Engine") -> None:
    """Make every connection of an SQLite engine wait `LOCKED_S` seconds for a lock, whatever MLflow sets."""
    from sqlalchemy import event

    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "checkout")
    def wait(connection: Any, record: object, proxy: object) -> None:
        connection.execute(_STATEMENT)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def wait_longer(
        connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool
    ) -> tuple[str, Any]:
        waits = statement.startswith("PRAGMA busy_timeout")
        return (_STATEMENT if waits else statement), parameters


def make_database(uri: str) -> None:
    """Create the file of an SQLite store with MLflow's tables and its first experiment, unless it exists.

    The tables are created once in the user's cache folder for the installed version of MLflow, and copied.

    Raises:
      OSError: the file cannot be written.
    """
    path = database_file(uri)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    if path.exists():
        return
    template = _template()
    make = _make_tables if template is None else lambda part: _copy_template(template, part)
    atomic_write(path, make, keep_existing=True)  # another process may be faster; its store is as good


def _copy_template(template: Path, path: Path) -> None:
    """Copy a store; its experiment is as old as the copy, by which stores are told apart."""
    shutil.copyfile(template, path)
    now = time.time_ns() // 1_000_000
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE experiments SET creation_time = ?, last_update_time = ?", (now, now))


def _template() -> Path | None:
    """A database as MLflow makes it; None if the cache folder is not writable."""
    from sqlalchemy.exc import OperationalError

    path = cache_folder() / f"mlflow-{version('mlflow')}-store.db"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                atomic_write(path, _make_tables)
    except (OSError, OperationalError):
        return None
    return path


def _make_tables(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(sqlite_uri(path), FILES)._dispose_engine()
