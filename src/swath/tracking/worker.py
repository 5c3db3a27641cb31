"""The tracking process: MLflow on the far end of a pipe."""

import logging
import os
import re
import signal
import sys

from swath.errors import SwathError
from swath.tracking.channel import serve
from swath.tracking.secrets import hide_password


def main(descriptor: int) -> None:
    """Serve a `RunStore` until the pipe closes, then end the runs that are still open as KILLED.

    Args:
      descriptor: file descriptor of this end of the pipe.
    """
    # Ctrl-C goes to the whole terminal group. The training process decides what becomes of the runs.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    logging.basicConfig(level=logging.ERROR)

    from swath.tracking.store import RunStore  # MLflow takes a second: only here, in the process it is for

    for name in ("mlflow", "alembic"):
        # It logs an error of its database with its traceback, then raises it; the parent says it in a line.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    store = RunStore()

    def describe(error: Exception) -> str:
        text = str(error) if isinstance(error, SwathError) else f"MLflow: {error}"
        # The first line says what; SQLAlchemy appends the statement and a link on the next ones.
        line = next((part.strip() for part in text.splitlines() if part.strip()), type(error).__name__)
        line = re.sub(r"\((sqlite3|psycopg2?|pymysql)\.\w+\) ", "", line)
        return hide_password(line, store.uri)

    functions = {name: getattr(store, name) for name in ("open", "begin", "log_steps", "end", "close")}
    try:
        serve(descriptor, functions, describe)
    finally:
        store.close("KILLED")
    # Everything is stored; taking MLflow's modules down one by one would make the parent wait for nothing.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
