"""What follows the last run of a command: pictures, and weights as models.

`python -m swath.sweeps.postprocess SWEEP_ID MODELS` is the process that `background` starts. Nobody reads its
output, so a fault is written as a tag of the run that it concerns.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from swath.tracking import schema, settle

URI_VARIABLE = "MLFLOW_TRACKING_URI"


DONE = schema.AFTERWARDS
"""Tag of the sweep's own run, or of a single run: `done`, or what went wrong."""


NICENESS = 10
"""What this does can wait, and another command may be training already."""


def start_postprocessing(uri: str, sweep_id: str, models: str) -> None:
    """Start the process and leave it to itself.

    Args:
      uri: of the store; its password, if it has one, travels in the environment, where nobody else sees it.
      sweep_id: of the command.
      models: `all`, `best` or `none`.
    """
    subprocess.Popen(
        [sys.executable, "-m", __name__, sweep_id, models],
        env={**os.environ, URI_VARIABLE: uri},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is meant for the next command
    )


def postprocess_sweep(uri: str, sweep_id: str, models: str) -> str | None:
    """Draw the pictures of a sweep into its own run, and log models; returns what went wrong, if anything.

    Args:
      uri: of the store.
      sweep_id: of the command.
      models: `all`, `best` or `none`.
    """
    settle()
    from mlflow.tracking import MlflowClient

    from swath.analysis import find_sweep, ordered
    from swath.plotting import draw_sweep
    from swath.tracking import is_logged, log_model, one_line, open_reader

    reader = open_reader(uri)
    sweep = find_sweep(reader, sweep_id)
    if not sweep.finished:
        return None
    best_first = ordered(sweep.finished)
    client = MlflowClient(tracking_uri=uri)
    concerned = (sweep.summary_run or best_first[0]).run_id
    faults = []
    if sweep.summary_run is not None:
        try:
            with tempfile.TemporaryDirectory(prefix="swath-") as folder:
                draw_sweep(reader, sweep, Path(folder), "png")
                client.log_artifacts(concerned, folder)
        except Exception as error:
            faults.append(one_line(error, uri))
    try:
        for run in best_first[: {"all": None, "best": 1, "none": 0}[models]]:
            if not is_logged(client, run):  # a sweep that is taken up has been here before
                log_model(run, uri)
    except Exception as error:
        faults.append(one_line(error, uri))
    fault = "; ".join(faults) or None
    with contextlib.suppress(Exception):
        client.set_tag(concerned, DONE, fault or "done")
    return fault


if __name__ == "__main__":
    os.nice(NICENESS)
    postprocess_sweep(os.environ[URI_VARIABLE], *sys.argv[1:])
