"""What a command asks about earlier ones. Runs in the tracking process."""

from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from swath.reading.store import open_reader
from swath.resuming.delivery import deliver_all
from swath.resuming.past import Past
from swath.resuming.records import AskedRun, AskedSweep, Before, FoundSweep
from swath.resuming.stale import close_stale
from swath.tracking.away import is_away
from swath.tracking.spool import SpoolingStore


class Earlier:
    """Answers for the store that has been opened.

    Args:
      store: the runs of this process.
    """

    def __init__(self, store: SpoolingStore) -> None:
        self._store = store
        self._past: Past | None = None

    def close_stale(self) -> list[str]:
        """End runs that dead processes of this machine have left open; returns their ids."""
        reader = open_reader(self._store.uri)
        left = [
            run
            for run in reader.runs({"swath.pid": None}, status="RUNNING")
            if run.experiment_id == self._store.experiment_id
        ]
        return [run.run_id for run in close_stale(self._store.client, left)]

    def take_up(self, asked: AskedSweep) -> FoundSweep | None:
        """The earlier command that is to be taken up; None where there is none.

        Raises:
          SwathError: it must not be.
        """
        self._past = Past(open_reader(self._store.uri), self._store.experiment_id, asked)
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
        own = store.spool_folder
        if own is not None:
            store.close_spool()
        delivered = 0
        faults: list[str] = []
        try:
            delivered, faults = deliver_all(store.client, store.uri, store.experiment_id, own)
        except MlflowException as error:
            if not is_away(error):
                raise
        return delivered, faults, str(own) if own is not None and own.exists() else None

    def others(self) -> list[tuple[dict[str, str], Before]]:
        """The runs of the sweep that is taken up which nobody has asked for this time."""
        return [] if self._past is None else self._past.others()

    def before(self, asked: Sequence[AskedRun]) -> list[Before]:
        """What is there of configurations, in the same order."""
        assert self._past is not None
        return self._past.before(asked)
