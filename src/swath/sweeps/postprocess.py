"""Draws plots and logs models after the last run of a command.

With `tracking.postprocess=background` it runs as a process, `python -m swath.sweeps.postprocess SWEEP_ID
MODELS`. The output of this process is discarded, so errors are stored as a tag of the run.
"""

import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from swath.errors import SwathError
from swath.system import hide_password
from swath.tracking import TRACKING_VARIABLE, configure_environment, schema

if TYPE_CHECKING:
    from swath.analysis import RankedRun, Sweep
    from swath.tracking import Client, OfflineFallbackStore, Reader

NICENESS = 10
"""Niceness of the process: a low priority, because another command may be training."""


class PostprocessingService(Protocol):
    """The method of the tracking process that makes plots and models.

    That process has read the store, and has no TensorFlow in its memory.
    """

    def postprocess(self, sweep_id: str, models: str) -> str | None:
        """See `postprocess_sweep`."""


class Postprocessor:
    """Makes plots and models from the opened store; see `PostprocessingService`."""

    def __init__(self, store: "OfflineFallbackStore") -> None:
        self._store = store

    def postprocess(self, sweep_id: str, models: str) -> str | None:
        """See `PostprocessingService`; SIGTERM ends the process here, and temporary files are removed."""
        ignored = signal.signal(signal.SIGTERM, _leave)
        try:
            return postprocess_sweep(self._store.uri, sweep_id, models)
        finally:
            signal.signal(signal.SIGTERM, ignored)


def _leave(number: int, frame: object) -> None:
    sys.exit(128 + number)


def start_postprocessing(uri: str, sweep_id: str, models: str) -> None:
    """Start the process in the background.

    Args:
      uri: address of the store; passed in the environment, so that other users cannot see its password.
      sweep_id: id of the sweep.
      models: `all`, `best` or `none`.
    """
    subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, sweep_id, models],  # -P: see `tracking.rpc`
        env={**os.environ, TRACKING_VARIABLE: uri, "MPLBACKEND": "agg"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that Ctrl-C in the terminal does not stop it
    )


def postprocess_sweep(uri: str, sweep_id: str, models: str) -> str | None:
    """Add plots to the summary run of a sweep and log models; returns the error, if any.

    Args:
      uri: address of the store.
      sweep_id: id of the sweep.
      models: `all`, `best` or `none`.
    """
    configure_environment()
    from swath.analysis import find_sweep, ordered
    from swath.tracking import (
        check_located,
        connect,
        error_line,
        is_loggable,
        is_model_logged,
        log_model,
        open_reader,
        write_files,
    )

    reader = open_reader(uri)
    sweep = find_sweep(reader, sweep_id)
    if not sweep.finished:
        return None
    check_located(uri, sweep.experiment_ids)
    client = connect(uri)
    best_first = ordered(sweep.finished)
    target = (sweep.summary_run or best_first[0]).run_id
    faults = []
    if sweep.summary_run is not None:
        from swath.plotting import draw_sweep, report_html  # a single run needs no Matplotlib

        try:
            with tempfile.TemporaryDirectory(prefix="swath-") as folder:
                store = hide_password(uri, uri)
                plots = draw_sweep(reader, sweep, Path(folder), store)
                page = report_html(reader, sweep, store, drawn=plots)
                for plot in plots:
                    plot.rename(plot.with_name(f"{schema.SWEEP_FILES}{plot.name}"))
                (Path(folder) / schema.REPORT_FILE).write_text(page, encoding="utf-8")
                write_files(client, sweep.summary_run.artifact_uri, Path(folder))
            colour_runs(client, sweep, reader)
        except Exception as error:
            faults.append(error_line(error, uri))
    try:
        for run in best_first[: {"all": None, "best": 1, "none": 0}[models]]:
            # A resumed sweep may have logged it; a program's own model is known to that program only.
            if is_loggable(run) and not is_model_logged(run, client):
                log_model(run, client)
    except Exception as error:
        faults.append(error_line(error, uri))
    fault = "; ".join(faults) or None
    with contextlib.suppress(Exception):
        client.set_tag(target, schema.AFTERWARDS, fault or "done")
    return fault


def colour_runs(client: "Client", sweep: "Sweep", reader: "Reader | None" = None) -> None:
    """Give each finished run a colour on MLflow's page, by the field that explains most of the ranking.

    Args:
      client: client of the store.
      sweep: a sweep with at least one finished run.
      reader: reader of the store, for a search; None to take the runs of a search as those of a grid.

    Raises:
      MlflowException: a tag could not be stored.
    """
    from swath.analysis import history_of, leading_field, metric_of
    from swath.config import typed
    from swath.plotting import value_colours

    runs = sweep.finished
    history = None if reader is None else history_of(reader, sweep)
    field = leading_field(runs, sweep.swept, metric_of(runs, None), history)
    if field is None:
        return
    values = [typed(field, run.params.get(field, "")) for run in runs]
    colours = value_colours(values)
    for run, value in zip(runs, values, strict=True):
        if run.tags.get(schema.RUN_COLOR) != colours[value]:
            client.set_tag(run.run_id, schema.RUN_COLOR, colours[value])


def register_best(sweep: "Sweep", best: "RankedRun", metric: str, name: str, uri: str | None) -> str:
    """Register the best run's model with the alias `champion`; returns a line for the user.

    A run that is already registered under the name is not registered again.

    Args:
      sweep: the sweep.
      best: its best run.
      metric: the metric that ranks the runs.
      name: name of the registered model; created if it does not exist.
      uri: address of the store as typed; None for MLflow's default.

    Raises:
      SwathError: the store rejects the model, or the run has no value of the metric.
    """
    from swath.analysis import have_several_seeds
    from swath.tracking import ALIAS, check_located, default_uri, register_model

    check_located(uri or default_uri(), sweep.experiment_ids)
    if not math.isfinite(best.value):
        raise SwathError(f"--register {name}: the best run has no {metric}, so it cannot be ranked")
    over = ", of the best mean over seeds" if have_several_seeds(sweep.finished) else ""
    tags = {
        schema.SWEEP: sweep.name,
        schema.SWEEP_ID: sweep.sweep_id,
        schema.WHY: f"best of {len(sweep.finished)} by {metric}{over}: {best.value:.4f}",
        schema.DATA_DIGEST: best.run.tags.get(schema.DATA_DIGEST, ""),
        schema.FINGERPRINT: best.run.tags.get(schema.FINGERPRINT, ""),
    }
    try:
        version = register_model(best.run, uri or default_uri(), name, tags)
    except SwathError as error:
        raise SwathError(f"--register {name}: {error}") from error
    return f"registered run {best.run.run_id} as models:/{name}/{version}, alias {ALIAS}"


if __name__ == "__main__":
    os.nice(NICENESS)
    postprocess_sweep(os.environ[TRACKING_VARIABLE], *sys.argv[1:])
