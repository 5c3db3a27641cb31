"""The `Tracker` interface, and the tracker that writes an MLflow store from a process of its own."""

import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from swath.errors import SwathError
from swath.tracking.address import StoreAddress, StoreInfo, SyncResult
from swath.tracking.rpc import Worker
from swath.tracking.run_records import MetricBatch, RunInfo, RunSummary
from swath.tracking.sweep_records import SweepDescription, SweepSummary

P = ParamSpec("P")


T = TypeVar("T")


class RunLogger(Protocol):
    """A run that is being tracked. Methods return at once unless they are documented to wait."""

    @property
    def run_id(self) -> str | None:
        """The run's id; None while it is unknown, or if the run could not be started."""

    @property
    def is_flushed(self) -> bool:
        """Whether everything is stored or has failed, so that `flush` does not wait."""

    def wait_for_id(self) -> str | None:
        """Wait for the run's id; None if the run could not be started."""

    def log(self, batch: MetricBatch) -> None:
        """Store values of per-step metrics."""

    def end(self, summary: RunSummary) -> None:
        """Store the outcome and end the run."""

    def check(self) -> None:
        """Raise the first error so far, without waiting.

        Raises:
          SwathError: something could not be stored.
        """

    def flush(self) -> tuple[str, float]:
        """Wait until everything is stored.

        Returns:
          The run's id, and the seconds that tracking it took.

        Raises:
          SwathError: something could not be stored.
        """


class Tracker(Protocol):
    """Keeps the runs of one command. Futures raise `SwathError` if something could not be stored."""

    def open(self, address: StoreAddress) -> Future[StoreInfo]:
        """Open the store; create it and the experiment if they do not exist."""

    def start_run(self, info: RunInfo, run_id: str | None = None) -> RunLogger:
        """Start a run, or resume the run with this id."""

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> Future[str]:
        """Start the summary run of a sweep, or resume the run with this id; returns its id."""

    def end_sweep(self, summary: SweepSummary) -> Future[None]:
        """Store the outcome of the sweep and end its summary run."""

    def set_tag(self, run_id: str, name: str, value: str) -> Future[None]:
        """Set a tag of any run."""

    def close_stale(self) -> Future[list[str]]:
        """End runs of the experiment whose processes on this machine have died; returns their ids."""

    def sync(self) -> Future[SyncResult]:
        """Copy offline runs of the experiment to its store."""

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> Future[None]:
        """Write a checkpoint once everything logged so far is stored."""

    def drop_checkpoint(self, folder: str, group: str) -> Future[None]:
        """Remove the checkpoints of a lane group once everything logged so far is stored."""

    def drop_checkpoints(self, folder: str) -> Future[None]:
        """Remove all checkpoints of a sweep."""

    def call(
        self, method: Callable[Concatenate[Any, P], T], *arguments: P.args, **named: P.kwargs
    ) -> Future[T]:
        """Call a method of another service that works on the opened store, such as the one for resume."""

    def close(self) -> None:
        """Wait until everything is stored; open runs end as KILLED."""

    def stop_at_once(self) -> None:
        """End in the middle of a call; for what nothing depends on, once all runs are stored."""


class TrackingService(Protocol):
    """Methods of the tracking process that write the store; implemented by `OfflineFallbackStore`.

    Runs are identified by a number that the caller chooses, so that it need not wait for MLflow's id.
    """

    def open(self, address: StoreAddress) -> StoreInfo:
        """See `Tracker`."""

    def start_run(self, key: int, info: RunInfo, run_id: str | None = None) -> str:
        """Start run number `key`, or resume the run with this id; returns its id."""

    def log_steps(self, key: int, batch: MetricBatch) -> None:
        """Store values of per-step metrics."""

    def end_run(self, key: int, summary: RunSummary) -> float:
        """Store the outcome of a run and end it; returns the seconds that tracking the run took."""

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> str:
        """See `Tracker`."""

    def end_sweep(self, summary: SweepSummary) -> None:
        """See `Tracker`."""

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """See `Tracker`."""

    def close_stale(self) -> list[str]:
        """See `Tracker`."""

    def sync(self) -> SyncResult:
        """See `Tracker`."""


class CheckpointService(Protocol):
    """Methods of the tracking process that write checkpoints."""

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> None:
        """See `Tracker`."""

    def drop_checkpoint(self, folder: str, group: str) -> None:
        """See `Tracker`."""

    def drop_checkpoints(self, folder: str) -> None:
        """See `Tracker`."""


class MlflowRunLogger:
    """A run in an MLflow store; see `RunLogger`."""

    def __init__(self, worker: Worker, key: int, info: RunInfo, run_id: str | None) -> None:
        self._worker = worker
        self._key = key
        self._started: Future[str] | None = worker.call(TrackingService.start_run, key, info, run_id)
        self._calls: list[Future[Any]] = [self._started]
        self._outcome = "", 0.0

    def log(self, batch: MetricBatch) -> None:
        """See `RunLogger`."""
        self._calls.append(self._worker.call(TrackingService.log_steps, self._key, batch))

    def end(self, summary: RunSummary) -> None:
        """See `RunLogger`."""
        last = self._worker.call(TrackingService.end_run, self._key, summary)
        self._calls.append(last)
        last.add_done_callback(self._release_calls)

    def _release_calls(self, last: Future[float]) -> None:
        """Keep the outcome instead of the futures: 1.5 kB each, for ten thousand runs.

        Replies arrive in the order of the calls, so all calls are done when the last one is.
        """
        if last.exception() is not None:  # keep the error for `flush`
            return
        with contextlib.suppress(SwathError):
            self._outcome = self.flush()
            # Another thread may be in `flush`: if it still finds `_started`, it must have read all calls.
            self._started = None
            self._calls = []

    def check(self) -> None:
        """See `RunLogger`."""
        while len(self._calls) > 1 and self._calls[0].done():
            self._calls[0].result()  # a failed call stays in the list for `flush`
            self._calls.pop(0)

    @property
    def run_id(self) -> str | None:
        """See `RunLogger`."""
        started = self._started
        return self.wait_for_id() if started is None or started.done() else None

    def wait_for_id(self) -> str | None:
        """See `RunLogger`."""
        started = self._started
        if started is None:
            return self._outcome[0]
        return None if started.exception() is not None else started.result()

    @property
    def is_flushed(self) -> bool:
        """See `RunLogger`."""
        return all(call.done() for call in self._calls)

    def flush(self) -> tuple[str, float]:
        """See `RunLogger`."""
        calls, started = self._calls, self._started
        if started is None:
            return self._outcome
        for call in calls:
            last = call.result()
        return started.result(), float(last)


class MlflowTracker:
    """Keeps runs in an MLflow store through a process of its own; see `Tracker`.

    The process starts at once, so that it prepares the store while the caller does something else.
    """

    def __init__(self) -> None:
        self._worker = Worker("swath.sweeps.tracking_process")
        self._keys = itertools.count(1)  # runs are started from several threads

    def open(self, address: StoreAddress) -> Future[StoreInfo]:
        """See `Tracker`."""
        return self._worker.call(TrackingService.open, address)

    def start_run(self, info: RunInfo, run_id: str | None = None) -> MlflowRunLogger:
        """See `Tracker`."""
        return MlflowRunLogger(self._worker, next(self._keys), info, run_id)

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> Future[str]:
        """See `Tracker`."""
        return self._worker.call(TrackingService.start_sweep, description, run_id)

    def end_sweep(self, summary: SweepSummary) -> Future[None]:
        """See `Tracker`."""
        return self._worker.call(TrackingService.end_sweep, summary)

    def set_tag(self, run_id: str, name: str, value: str) -> Future[None]:
        """See `Tracker`."""
        return self._worker.call(TrackingService.set_tag, run_id, name, value)

    def close_stale(self) -> Future[list[str]]:
        """See `Tracker`."""
        return self._worker.call(TrackingService.close_stale)

    def sync(self) -> Future[SyncResult]:
        """See `Tracker`."""
        return self._worker.call(TrackingService.sync)

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> Future[None]:
        """See `Tracker`."""
        return self._worker.call(CheckpointService.save_checkpoint, folder, group, step, content)

    def drop_checkpoint(self, folder: str, group: str) -> Future[None]:
        """See `Tracker`."""
        return self._worker.call(CheckpointService.drop_checkpoint, folder, group)

    def drop_checkpoints(self, folder: str) -> Future[None]:
        """See `Tracker`."""
        return self._worker.call(CheckpointService.drop_checkpoints, folder)

    def call(
        self, method: Callable[Concatenate[Any, P], T], *arguments: P.args, **named: P.kwargs
    ) -> Future[T]:
        """See `Tracker`."""
        return self._worker.call(method, *arguments, **named)

    def close(self) -> None:
        """See `Tracker`."""
        self._worker.close()

    def stop_at_once(self) -> None:
        """See `Tracker`."""
        self._worker.stop_at_once()
