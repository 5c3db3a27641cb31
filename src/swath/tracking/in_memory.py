"""Trackers without a store: in memory, and none at all."""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.address import StoreAddress, StoreInfo, SyncResult
from swath.tracking.run_records import MetricBatch, RunInfo, RunSummary
from swath.tracking.sweep_records import SweepDescription, SweepSummary
from swath.tracking.tracker import RunLogger, Tracker

P = ParamSpec("P")


T = TypeVar("T")

Series = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Steps, ascending, and the values of a metric at these steps."""


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


class NullRunLogger:
    """A run that is not stored; see `RunLogger`."""

    run_id: str | None = None
    is_flushed = True

    def wait_for_id(self) -> str | None:
        """See `RunLogger`."""
        return self.run_id

    def log(self, batch: MetricBatch) -> None:
        """Discard the values."""

    def end(self, summary: RunSummary) -> None:
        """Discard the outcome."""

    def check(self) -> None:
        """Do nothing."""

    def flush(self) -> tuple[str, float]:
        """The run's id, empty if it has none, and 0 s."""
        return self.run_id or "", 0.0


class CompletedRun(NullRunLogger):
    """A run that is in the store already and is left alone.

    Args:
      run_id: id of the run.
      track_s: seconds that tracking the run took, from the store.
    """

    def __init__(self, run_id: str, track_s: float) -> None:
        self.run_id = run_id
        self._track_s = track_s

    def flush(self) -> tuple[str, float]:
        """See `RunLogger`."""
        return self.run_id or "", self._track_s


class InMemoryRunLogger:
    """A run whose values are kept in memory; see `RunLogger`.

    Args:
      info: metadata of the run.
      inner: logger that receives everything too.

    Attributes:
      info: metadata of the run.
      summary: outcome of the run; None until it has ended.
    """

    def __init__(self, info: RunInfo, inner: RunLogger) -> None:
        self.info = info
        self.summary: RunSummary | None = None
        self._inner = inner
        self._batches: list[MetricBatch] = []

    @property
    def run_id(self) -> str | None:
        """See `RunLogger`."""
        return self._inner.run_id

    @property
    def is_flushed(self) -> bool:
        """See `RunLogger`."""
        return self._inner.is_flushed

    def wait_for_id(self) -> str | None:
        """See `RunLogger`."""
        return self._inner.wait_for_id()

    def log(self, batch: MetricBatch) -> None:
        """See `RunLogger`."""
        self._batches.append(batch)
        self._inner.log(batch)

    def end(self, summary: RunSummary) -> None:
        """See `RunLogger`."""
        self.summary = summary
        self._inner.end(summary)

    def check(self) -> None:
        """See `RunLogger`."""
        self._inner.check()

    def flush(self) -> tuple[str, float]:
        """See `RunLogger`."""
        return self._inner.flush()

    def series(self) -> dict[str, Series]:
        """Steps, int64 [n], and values, float64 [n], of every metric, as a store would hold them."""
        found: dict[str, list[Series]] = {}
        for batch in self._batches:
            for name, values in batch.values.items():
                steps = batch.first_step + batch.every * np.arange(len(values), dtype=np.int64)
                found.setdefault(name, []).append((steps, np.asarray(values, np.float64)))
        for name, value in self.summary.metrics.items() if self.summary is not None else ():
            found.setdefault(name, []).append((np.zeros(1, np.int64), np.array([value], np.float64)))
        return {name: _once(parts) for name, parts in found.items()}


def _once(parts: Sequence[Series]) -> Series:
    """Joined parts of a metric: where files have every step, the last step comes again, as a row."""
    steps = np.concatenate([each for each, _ in parts])
    values = np.concatenate([each for _, each in parts])
    _, first = np.unique(steps, return_index=True)
    return steps[first], values[first]


class NullTracker:
    """Keeps nothing; see `Tracker`."""

    def open(self, address: StoreAddress) -> Future[StoreInfo]:
        """See `Tracker`."""
        return _done(StoreInfo("", ""))

    def start_run(self, info: RunInfo, run_id: str | None = None) -> RunLogger:
        """See `Tracker`."""
        return NullRunLogger()

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> Future[str]:
        """See `Tracker`."""
        return _done("")

    def end_sweep(self, summary: SweepSummary) -> Future[None]:
        """See `Tracker`."""
        return _done(None)

    def set_tag(self, run_id: str, name: str, value: str) -> Future[None]:
        """See `Tracker`."""
        return _done(None)

    def close_stale(self) -> Future[list[str]]:
        """See `Tracker`."""
        return _done([])

    def sync(self) -> Future[SyncResult]:
        """See `Tracker`."""
        return _done(SyncResult())

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> Future[None]:
        """See `Tracker`."""
        return _done(None)

    def drop_checkpoint(self, folder: str, group: str) -> Future[None]:
        """See `Tracker`."""
        return _done(None)

    def drop_checkpoints(self, folder: str) -> Future[None]:
        """See `Tracker`."""
        return _done(None)

    def call(
        self, method: Callable[Concatenate[Any, P], T], *arguments: P.args, **named: P.kwargs
    ) -> Future[T]:
        """A future that fails, because nothing is stored."""
        future: Future[T] = Future()
        future.set_exception(SwathError("resume needs a store, and this command keeps its runs in none"))
        return future

    def close(self) -> None:
        """Do nothing."""

    def stop_at_once(self) -> None:
        """Do nothing."""


class InMemoryTracker(NullTracker):
    """Keeps runs and the sweep in memory.

    Attributes:
      runs: the runs, in the order in which they were started.
      description: metadata of the sweep; None until it is started.
      summary: outcome of the sweep; None until it has ended.
    """

    def __init__(self) -> None:
        self.runs: list[InMemoryRunLogger] = []
        self.description: SweepDescription | None = None
        self.summary: SweepSummary | None = None

    def start_run(self, info: RunInfo, run_id: str | None = None) -> InMemoryRunLogger:
        """See `Tracker`."""
        return self._keep(InMemoryRunLogger(info, CompletedRun(run_id or uuid.uuid4().hex, 0.0)))

    def _keep(self, run: InMemoryRunLogger) -> InMemoryRunLogger:
        self.runs.append(run)
        return run

    def start_sweep(self, description: SweepDescription, run_id: str | None = None) -> Future[str]:
        """See `Tracker`."""
        self.description = description
        return _done(run_id or uuid.uuid4().hex)

    def end_sweep(self, summary: SweepSummary) -> Future[None]:
        """See `Tracker`."""
        self.summary = summary
        return _done(None)

    def set_tag(self, run_id: str, name: str, value: str) -> Future[None]:
        """See `Tracker`."""
        for run in self.runs:
            if run.run_id == run_id:
                run.info.tags[name] = value
        return _done(None)


class TeeTracker(InMemoryTracker):
    """Keeps runs in memory, and stores them as reproductions of other runs.

    Args:
      tracker: stores the runs.
      repeats: ids of the runs to reproduce, in order, for each fingerprint and data digest.
    """

    def __init__(self, tracker: Tracker, repeats: dict[tuple[str, str], list[str]]) -> None:
        super().__init__()
        self._tracker = tracker
        self._repeats = {identity: list(run_ids) for identity, run_ids in repeats.items()}

    def start_run(self, info: RunInfo, run_id: str | None = None) -> InMemoryRunLogger:
        """See `Tracker`."""
        identity = info.tags[schema.FINGERPRINT], info.tags[schema.DATA_DIGEST]
        original = self._repeats[identity].pop(0)
        info.tags.update({schema.KIND: "reproduction", schema.REPRODUCES: original})
        return self._keep(InMemoryRunLogger(info, self._tracker.start_run(info)))
