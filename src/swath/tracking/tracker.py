"""The training process's view of tracking: runs that are begun, filled and ended without waiting."""

import contextlib
from concurrent.futures import Future
from typing import Any, Protocol

from swath.errors import SwathError
from swath.tracking.records import (
    MetricBatch,
    RunInfo,
    RunSummary,
    StoreAddress,
    StoreInfo,
    SweepDescription,
    SweepSummary,
)
from swath.tracking.rpc import Worker


class RunLogger(Protocol):
    """A run that is being tracked. Its calls return at once; what became of them is said by `settle`."""

    @property
    def run_id(self) -> str | None:
        """The run's id, as soon as it is known; None where the run could not be begun."""

    @property
    def stored(self) -> bool:
        """Whether everything that was asked for has been stored, or has failed; `settle` need not wait."""

    def wait_for_id(self) -> str | None:
        """The run's id, waited for; None where the run could not be begun."""

    def log_steps(self, block: MetricBatch) -> None:
        """Store values of per-step metrics."""

    def end(self, end: RunSummary) -> None:
        """Store what is left, and end the run."""

    def check(self) -> None:
        """Raise what has gone wrong so far."""

    def settle(self) -> tuple[str, float]:
        """Wait until everything is stored.

        Returns:
          The run's id, and the seconds that tracking it took.

        Raises:
          RemoteError, WorkerDiedError: the first thing that went wrong.
        """


class Tracker(Protocol):
    """Whatever can begin a run."""

    def begin(self, start: RunInfo, run_id: str | None = None) -> RunLogger:
        """Begin a run, or go on with the one that has this id."""


class MlflowRunLogger:
    """One run in the store; see `RunLogger`."""

    def __init__(self, worker: Worker, key: int, start: RunInfo, run_id: str | None) -> None:
        self._worker = worker
        self._key = key
        self._begun: Future[str] | None = worker.call("begin", key, start, run_id)
        self._calls: list[Future[Any]] = [self._begun]
        self._told = "", 0.0

    def log_steps(self, block: MetricBatch) -> None:
        """Store values of per-step metrics."""
        self._calls.append(self._worker.call("log_steps", self._key, block))

    def end(self, end: RunSummary) -> None:
        """Store what is left, and end the run."""
        last = self._worker.call("end", self._key, end)
        self._calls.append(last)
        last.add_done_callback(self._forget_calls)

    def _forget_calls(self, last: Future[Any]) -> None:
        """Keep what was told instead of the futures: a kilobyte and a half each, for ten thousand runs.

        Answers come in the order of the calls, so behind the last one nothing here waits.
        """
        if last.exception() is not None:  # what has gone wrong stays, for `settle`
            return
        with contextlib.suppress(SwathError):
            self._told = self.settle()
            # Another thread may be in `settle`: where it still finds `_begun`, it must have read all calls.
            self._begun = None
            self._calls = []

    def check(self) -> None:
        """Raise what has gone wrong so far; forget what has gone well."""
        while len(self._calls) > 1 and self._calls[0].done():
            self._calls[0].result()  # what has gone wrong stays, for `settle`
            self._calls.pop(0)

    @property
    def run_id(self) -> str | None:
        """The run's id, as soon as it is known; None where the run could not be begun."""
        begun = self._begun
        return self.wait_for_id() if begun is None or begun.done() else None

    def wait_for_id(self) -> str | None:
        """See `RunLogger`."""
        begun = self._begun
        if begun is None:
            return self._told[0]
        return None if begun.exception() is not None else begun.result()

    @property
    def stored(self) -> bool:
        """See `RunLogger`."""
        return all(call.done() for call in self._calls)

    def settle(self) -> tuple[str, float]:
        """See `RunLogger`."""
        calls, begun = self._calls, self._begun
        if begun is None:
            return self._told
        for call in calls:
            last = call.result()
        return begun.result(), float(last)


class NullRunLogger:
    """A run that leaves nothing in the store."""

    run_id: str | None = None
    stored = True

    def wait_for_id(self) -> None:
        """There is none."""

    def log_steps(self, block: MetricBatch) -> None:
        """Drop it."""

    def end(self, end: RunSummary) -> None:
        """Drop it."""

    def check(self) -> None:
        """Nothing can go wrong."""

    def settle(self) -> tuple[str, float]:
        """No id, no time."""
        return "", 0.0


class CompletedRun(NullRunLogger):
    """A run that had finished before this command; it is left as it is."""

    def __init__(self, run_id: str, track_s: float) -> None:
        self.run_id = run_id
        self._track_s = track_s

    def settle(self) -> tuple[str, float]:
        """What the store says of it."""
        return self.run_id or "", self._track_s


class MlflowTracker:
    """Runs in one store, kept by a process of its own.

    The process starts at once, so that MLflow is imported beside whatever comes next; the store is opened,
    and made where there is none, when `open` is called.
    """

    def __init__(self) -> None:
        self._worker = Worker("swath.sweeps.tracking_process")
        self._runs = 0

    def open(self, address: StoreAddress) -> Future[StoreInfo]:
        """Open the store; the future raises `RemoteError` where it cannot be used."""
        return self._worker.call("open", address)

    def begin(self, start: RunInfo, run_id: str | None = None) -> MlflowRunLogger:
        """Begin a run, or go on with the one that has this id."""
        self._runs += 1
        return MlflowRunLogger(self._worker, self._runs, start, run_id)

    def begin_sweep(self, start: SweepDescription, run_id: str | None = None) -> Future[str]:
        """Begin the run that stands for the sweep as a whole, or go on with it; a future of its id."""
        return self._worker.call("begin_sweep", start, run_id)

    def call(self, function: str, *arguments: Any) -> Future[Any]:
        """Have the process carry out one of its other calls; see `swath.sweeps.tracking_process`."""
        return self._worker.call(function, *arguments)

    def end_sweep(self, end: SweepSummary) -> Future[None]:
        """End it; the future raises `RemoteError` where that cannot be stored."""
        return self._worker.call("end_sweep", end)

    def close(self) -> None:
        """Wait until everything is stored; runs that were not ended are closed as KILLED."""
        self._worker.close()
