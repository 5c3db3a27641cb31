"""The tracking process: MLflow on the far end of a pipe."""

import logging
import os
import signal
import sys

from swath.tracking.channel import serve
from swath.tracking.secrets import one_line


def main(descriptor: int) -> None:
    """Serve a `RunStore` until the pipe closes, then end the runs that are still open as KILLED.

    Args:
      descriptor: file descriptor of this end of the pipe.
    """
    # Ctrl-C goes to the whole terminal group. The training process decides what becomes of the runs.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    logging.basicConfig(level=logging.ERROR)

    from swath.tracking.store import RunStore  # MLflow takes a second: only here, in the process it is for

    for name in ("mlflow", "alembic"):
        # It logs an error of its database with its traceback, then raises it; the parent says it in a line.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    store = RunStore()

    functions = {name: getattr(store, name) for name in ("open", "begin", "log_steps", "end", "close")}
    try:
        serve(descriptor, functions, lambda error: one_line(error, store.uri))
    finally:
        store.close("KILLED")
    # Everything is stored; taking MLflow's modules down one by one would make the parent wait for nothing.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
