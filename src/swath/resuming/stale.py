"""Runs that a dead process has left behind as if they were still being trained."""

from collections.abc import Iterable

from mlflow.tracking import MlflowClient

from swath.reading.records import StoredRun
from swath.tracking.going_on import ERROR
from swath.tracking.processes import is_alive
from swath.tracking.sweep_run import end_cut_off

REASON = "its process has died"

OPEN = ("RUNNING", "SCHEDULED")


def close_stale(client: MlflowClient, runs: Iterable[StoredRun]) -> list[StoredRun]:
    """End those runs as KILLED whose process was on this machine and is no more; returns them.

    Runs of a living process, of another machine, and of anybody else are left alone.
    """
    stale = [run for run in runs if run.status in OPEN and "swath.pid" in run.tags and not is_alive(run.tags)]
    stale.sort(key=lambda run: run.tags.get("swath.kind") == "sweep")  # a sweep's own run counts the others
    for run in stale:
        if run.tags.get("swath.kind") == "sweep":
            end_cut_off(client, run.run_id, "KILLED")
            continue
        client.set_tag(run.run_id, ERROR, REASON)
        client.set_terminated(run.run_id, "KILLED")
    return stale
