"""What a command asks about earlier ones, answered in the tracking process."""

from collections.abc import Iterable, Sequence

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.analysis import find_best
from swath.sweeps.manifest import PriorRun, PriorSweep, ResumeRequest, RunKey
from swath.sweeps.prior_runs import PriorRuns
from swath.tracking import (
    ERROR,
    OfflineFallbackStore,
    StoredRun,
    end_interrupted,
    is_alive,
    is_away,
    open_reader,
    schema,
    sync_all,
)

REASON = "its process has died"


OPEN = ("RUNNING", "SCHEDULED")


def close_stale(client: MlflowClient, runs: Iterable[StoredRun]) -> list[StoredRun]:
    """End those runs as KILLED whose process was on this machine and is no more; returns them.

    Runs of a living process, of another machine, and of anybody else are left alone.
    """
    stale = [run for run in runs if run.status in OPEN and schema.PID in run.tags and not is_alive(run.tags)]
    stale.sort(key=lambda run: run.tags.get(schema.KIND) == "sweep")  # a sweep's own run counts the others
    for run in stale:
        if run.tags.get(schema.KIND) == "sweep":
            end_interrupted(client, run.run_id, "KILLED", find_best)
            continue
        client.set_tag(run.run_id, ERROR, REASON)
        client.set_terminated(run.run_id, "KILLED")
    return stale


class ResumeService:
    """Answers for the store that has been opened.

    Args:
      store: the runs of this process.
    """

    def __init__(self, store: OfflineFallbackStore) -> None:
        self._store = store
        self._past: PriorRuns | None = None

    def close_stale(self) -> list[str]:
        """End runs that dead processes of this machine have left open; returns their ids."""
        reader = open_reader(self._store.uri)
        left = [
            run
            for run in reader.runs({schema.PID: None}, status="RUNNING")
            if run.experiment_id == self._store.experiment_id
        ]
        return [run.run_id for run in close_stale(self._store.client, left)]

    def take_up(self, asked: ResumeRequest) -> PriorSweep | None:
        """The earlier command that is to be taken up; None where there is none.

        Raises:
          SwathError: it must not be.
        """
        self._past = PriorRuns(open_reader(self._store.uri), self._store.experiment_id, asked)
        found = self._past.sweep
        if found is not None:
            self.close_stale()
        return found

    def deliver(self) -> tuple[int, list[str], str | None]:
        """Deliver what lies in spools of this experiment.

        Returns:
          How many runs were delivered; a line for each spool that the server does not take; the spool of
          this command, where it is still there.
        """
        store = self._store
        if not store.uri.startswith(("http://", "https://")):
            return 0, [], None
        own = store.offline_folder_used
        if own is not None:
            store.close_offline()
        delivered = 0
        faults: list[str] = []
        try:
            delivered, faults = sync_all(store.client, store.uri, store.experiment_id, own)
        except MlflowException as error:
            if not is_away(error):
                raise
        return delivered, faults, str(own) if own is not None and own.exists() else None

    def others(self) -> list[tuple[dict[str, str], PriorRun]]:
        """The runs of the sweep that is taken up which nobody has asked for this time."""
        return [] if self._past is None else self._past.others()

    def before(self, asked: Sequence[RunKey]) -> list[PriorRun]:
        """What is there of configurations, in the same order."""
        assert self._past is not None
        return self._past.before(asked)
