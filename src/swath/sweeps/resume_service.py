"""Serves the results of earlier commands to the training process. Runs in the tracking process."""

from collections.abc import Sequence

from swath import tracking
from swath.sweeps.manifest import PriorRun, PriorSweep, PriorTrial, ResumeRequest, RunKey
from swath.sweeps.prior_runs import PriorRuns


class ResumeService:
    """Finds earlier results in the opened store; see `sweeps.manifest.PriorRunsService`.

    Args:
      store: the store of the tracking process.
    """

    def __init__(self, store: tracking.OfflineFallbackStore) -> None:
        self._store = store
        self._prior: PriorRuns | None = None

    def find_sweep(self, request: ResumeRequest) -> PriorSweep | None:
        """See `PriorRunsService`."""
        self._prior = PriorRuns(tracking.open_reader(self._store.uri), self._store.experiment_id, request)
        found = self._prior.sweep
        if found is not None and not request.joins:
            self._store.close_stale()
        return found

    def older_arithmetic(self) -> str:
        """See `PriorRunsService`."""
        return "" if self._prior is None else self._prior.older_arithmetic()

    def prior_runs(self, keys: Sequence[RunKey]) -> list[PriorRun]:
        """See `PriorRunsService`."""
        assert self._prior is not None
        return self._prior.before(keys)

    def trials(self) -> list[PriorTrial]:
        """See `PriorRunsService`."""
        return [] if self._prior is None else self._prior.trials()

    def start_of_trial(self, number: int, key: RunKey) -> PriorRun:
        """See `PriorRunsService`."""
        assert self._prior is not None
        return self._prior.start_of_trial(number, key)

    def other_runs(self) -> list[tuple[dict[str, str], PriorRun]]:
        """See `PriorRunsService`."""
        return [] if self._prior is None else self._prior.others()
