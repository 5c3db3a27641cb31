"""The tracking process: MLflow on the far end of a pipe."""

import logging
import os
import signal
import sys

from swath.tracking import one_line, serve, settle

STORE_CALLS = ("open", "begin_sweep", "begin", "log_steps", "end", "end_sweep", "set_tag", "close")


EARLIER_CALLS = ("close_stale", "deliver", "take_up", "before", "others")


CHECKPOINT_CALLS = ("save_checkpoint", "drop_checkpoint", "drop_checkpoints")


def main(descriptor: int) -> None:
    """Serve a store until the pipe closes, then end the runs that are still open as KILLED.

    Args:
      descriptor: file descriptor of this end of the pipe.
    """
    # Ctrl-C goes to the whole terminal group. The training process decides what becomes of the runs.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    settle()
    logging.basicConfig(level=logging.ERROR)

    # MLflow takes a second: only here, in the process it is for.
    from swath.analysis import find_best
    from swath.sweeps.resume_service import ResumeService
    from swath.tracking import OfflineFallbackStore
    from swath.training import CheckpointFiles

    for name in ("mlflow", "alembic"):
        # It logs an error of its database with its traceback, then raises it; the parent says it in a line.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    store = OfflineFallbackStore(find_best)
    served = (
        (store, STORE_CALLS),
        (ResumeService(store), EARLIER_CALLS),
        (CheckpointFiles(), CHECKPOINT_CALLS),
    )
    functions = {name: getattr(owner, name) for owner, names in served for name in names}
    try:
        serve(descriptor, functions, lambda error: one_line(error, store.uri))
    finally:
        store.close("KILLED")
    # Everything is stored; taking MLflow's modules down one by one would make the parent wait for nothing.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
