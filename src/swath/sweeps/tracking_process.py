"""The tracking process: serves the store to the training process over a pipe."""

import logging
import os
import signal
import sys

from swath.system import collect_rarely
from swath.tracking import (
    CheckpointService,
    LotService,
    TrackingService,
    configure_environment,
    error_line,
    may_pass,
    serve,
)


def main(descriptor: int) -> None:
    """Serve a store until the pipe closes, then end open runs as KILLED.

    Args:
      descriptor: file descriptor of this end of the pipe.
    """
    # Ctrl-C reaches the whole process group, but the training process ends the runs.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    collect_rarely()
    configure_environment()
    # MLflow would ask the server for each ended run, to print a line about it.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    logging.basicConfig(level=logging.ERROR)

    # They log an error with its traceback and then raise it; the training process prints it in one line.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    logging.getLogger("alembic").setLevel(logging.CRITICAL)

    from swath.analysis import find_best
    from swath.sweeps.manifest import PriorRunsService
    from swath.sweeps.postprocess import PostprocessingService, Postprocessor
    from swath.sweeps.resume_service import ResumeService
    from swath.tracking import LotStore, OfflineFallbackStore, RunCalls
    from swath.training import CheckpointFiles, FencedCheckpoints

    opened = OfflineFallbackStore(find_best)
    store: TrackingService = opened
    prior_runs: PriorRunsService = ResumeService(opened)
    checkpoints: CheckpointService = FencedCheckpoints(CheckpointFiles(), opened.main.check_fence)
    lots: LotService = LotStore(opened)
    afterwards: PostprocessingService = Postprocessor(opened)
    services = {
        TrackingService: store,
        PriorRunsService: prior_runs,
        CheckpointService: checkpoints,
        LotService: lots,
        PostprocessingService: afterwards,
    }
    try:
        serve(descriptor, services, lambda error: error_line(error, opened.uri), RunCalls(opened), may_pass)
    finally:
        opened.close("KILLED")
    # Everything is stored. A regular exit would spend time on unloading MLflow while the parent waits.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
