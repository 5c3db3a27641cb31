"""The training process's view of tracking: runs that are begun, filled and ended without waiting."""

from concurrent.futures import Future
from typing import Any

from swath.tracking.channel import Worker
from swath.tracking.records import (
    RunEnd,
    RunStart,
    StepBlock,
    StoreAddress,
    StoreInfo,
    SweepEnd,
    SweepStart,
)


class TrackedRun:
    """One run in the store. Its calls return at once; what became of them is said by `settle`."""

    def __init__(self, worker: Worker, key: int, start: RunStart) -> None:
        self._worker = worker
        self._key = key
        self._run_id: Future[str] = worker.call("begin", key, start)
        self._calls: list[Future[Any]] = [self._run_id]

    def log_steps(self, block: StepBlock) -> None:
        """Store values of per-step metrics."""
        self._calls.append(self._worker.call("log_steps", self._key, block))

    def end(self, end: RunEnd) -> None:
        """Store what is left, and end the run."""
        self._calls.append(self._worker.call("end", self._key, end))

    def check(self) -> None:
        """Raise what has gone wrong so far; forget what has gone well."""
        while len(self._calls) > 1 and self._calls[0].done():
            self._calls[0].result()  # what has gone wrong stays, for `settle`
            self._calls.pop(0)

    @property
    def run_id(self) -> str | None:
        """The run's id, as soon as it is known; None where the run could not be begun."""
        known = self._run_id.done() and self._run_id.exception() is None
        return self._run_id.result() if known else None

    @property
    def stored(self) -> bool:
        """Whether everything that was asked for has been stored, or has failed; `settle` need not wait."""
        return all(call.done() for call in self._calls)

    def settle(self) -> tuple[str, float]:
        """Wait until everything is stored.

        Returns:
          The run's id, and the seconds that tracking it took.

        Raises:
          RemoteError, WorkerDiedError: the first thing that went wrong.
        """
        for call in self._calls:
            last = call.result()
        return self._run_id.result(), float(last)


class UntrackedRun:
    """A run that leaves nothing in the store."""

    run_id: str | None = None
    stored = True

    def log_steps(self, block: StepBlock) -> None:
        """Drop it."""

    def end(self, end: RunEnd) -> None:
        """Drop it."""

    def check(self) -> None:
        """Nothing can go wrong."""

    def settle(self) -> tuple[str, float]:
        """No id, no time."""
        return "", 0.0


Tracked = TrackedRun | UntrackedRun


class Tracker:
    """Runs in one store, kept by a process of its own.

    The process starts at once, so that MLflow is imported beside whatever comes next; the store is opened,
    and made where there is none, when `open` is called.
    """

    def __init__(self) -> None:
        self._worker = Worker("swath.tracking.worker")
        self._runs = 0

    def open(self, address: StoreAddress) -> Future[StoreInfo]:
        """Open the store; the future raises `RemoteError` where it cannot be used."""
        return self._worker.call("open", address)

    def begin(self, start: RunStart) -> TrackedRun:
        """Begin a run."""
        self._runs += 1
        return TrackedRun(self._worker, self._runs, start)

    def begin_sweep(self, start: SweepStart) -> Future[str]:
        """Begin the run that stands for the sweep as a whole; a future of its id."""
        return self._worker.call("begin_sweep", start)

    def end_sweep(self, end: SweepEnd) -> Future[None]:
        """End it; the future raises `RemoteError` where that cannot be stored."""
        return self._worker.call("end_sweep", end)

    def close(self) -> None:
        """Wait until everything is stored; runs that were not ended are closed as KILLED."""
        self._worker.close()
