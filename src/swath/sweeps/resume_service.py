"""Answers about earlier commands, given in the tracking process."""

from collections.abc import Sequence

from swath.sweeps.manifest import PriorRun, PriorSweep, ResumeRequest, RunKey
from swath.sweeps.prior_runs import PriorRuns
from swath.tracking import OfflineFallbackStore, open_reader


class ResumeService:
    """Reads the opened store for resume; see `sweeps.manifest.PriorRunsService`.

    Args:
      store: store of this process.
    """

    def __init__(self, store: OfflineFallbackStore) -> None:
        self._store = store
        self._prior: PriorRuns | None = None

    def find_sweep(self, request: ResumeRequest) -> PriorSweep | None:
        """See `PriorRunsService`."""
        self._prior = PriorRuns(open_reader(self._store.uri), self._store.experiment_id, request)
        found = self._prior.sweep
        if found is not None:
            self._store.close_stale()
        return found

    def prior_runs(self, keys: Sequence[RunKey]) -> list[PriorRun]:
        """See `PriorRunsService`."""
        assert self._prior is not None
        return self._prior.before(keys)

    def other_runs(self) -> list[tuple[dict[str, str], PriorRun]]:
        """See `PriorRunsService`."""
        return [] if self._prior is None else self._prior.others()
