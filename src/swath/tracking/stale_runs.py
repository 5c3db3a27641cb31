"""Runs whose processes have died without ending them."""

from collections.abc import Iterable, Mapping

from swath.tracking import schema
from swath.tracking.opening import connect
from swath.tracking.provenance import is_alive
from swath.tracking.stored_runs import OPEN_STATUSES, StoredRun
from swath.tracking.summary_run import FindBest, end_interrupted


def is_watched(tags: Mapping[str, str]) -> bool:
    """Whether an engine watches those who train a run or sweep, so that their processes say nothing."""
    return schema.RUN_LOT in tags or any(name.startswith(schema.LOT) for name in tags)


def close_stale(uri: str, runs: Iterable[StoredRun], find_best: FindBest | None = None) -> list[StoredRun]:
    """End runs as KILLED whose processes on this machine have died; returns them.

    Runs of living processes, of other machines and of other programs are left alone.

    Args:
      uri: address of the store.
      runs: runs to check.
      find_best: chooses the best finished run of a sweep; None to record none.
    """
    stale = [
        run
        for run in runs
        if run.status in OPEN_STATUSES
        and schema.PID in run.tags
        and not (is_watched(run.tags) or is_alive(run.tags))
    ]
    stale.sort(key=lambda run: run.tags.get(schema.KIND) == "sweep")  # a summary run counts the others
    if not stale:
        return []
    client, closed = connect(uri), []
    for run in stale:
        status = client.get_run(run.run_id).info.status  # it may have ended since it was read
        if status not in OPEN_STATUSES:
            continue
        closed.append(run)
        if run.tags.get(schema.KIND) == "sweep":
            end_interrupted(client, run.run_id, "KILLED", find_best)
            continue
        client.set_tag(run.run_id, schema.ERROR, "its process has died")
        client.set_terminated(run.run_id, "KILLED")
    return closed
