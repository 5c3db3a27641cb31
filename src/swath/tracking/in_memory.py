"""A run kept in memory, as it would be stored: for whoever compares it instead of, or besides, keeping it."""

import numpy as np
from numpy.typing import NDArray

from swath.tracking import schema
from swath.tracking.records import MetricBatch, RunInfo, RunSummary
from swath.tracking.tracker import NullRunLogger, RunLogger, Tracker


class InMemoryRunLogger:
    """A run whose values stay in memory.

    Args:
      start: what is said of it.
      inner: where it is stored besides.

    Attributes:
      start: what is said of it.
      end: how it ended; None until then.
    """

    def __init__(self, start: RunInfo, inner: RunLogger) -> None:
        self.start = start
        self.ending: RunSummary | None = None
        self._inner = inner
        self._blocks: list[MetricBatch] = []

    @property
    def run_id(self) -> str | None:
        """See `RunLogger`."""
        return self._inner.run_id

    @property
    def stored(self) -> bool:
        """See `RunLogger`."""
        return self._inner.stored

    def wait_for_id(self) -> str | None:
        """See `RunLogger`."""
        return self._inner.wait_for_id()

    def log_steps(self, block: MetricBatch) -> None:
        """See `RunLogger`."""
        self._blocks.append(block)
        self._inner.log_steps(block)

    def end(self, end: RunSummary) -> None:
        """See `RunLogger`."""
        self.ending = end
        self._inner.end(end)

    def check(self) -> None:
        """See `RunLogger`."""
        self._inner.check()

    def settle(self) -> tuple[str, float]:
        """See `RunLogger`."""
        return self._inner.settle()

    def series(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Steps and values of every metric, as they would be stored."""
        found: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
        for block in self._blocks:
            for name, values in block.values.items():
                steps = block.first_step + block.every * np.arange(len(values), dtype=np.int64)
                found.setdefault(name, []).append((steps, np.asarray(values, np.float64)))
        for name, value in self.ending.metrics.items() if self.ending is not None else ():
            found.setdefault(name, []).append((np.zeros(1, np.int64), np.array([value], np.float64)))
        return {
            name: (np.concatenate([steps for steps, _ in parts]), np.concatenate([part for _, part in parts]))
            for name, parts in found.items()
        }


class InMemoryTracker:
    """Begins runs that are kept in memory, and nowhere else."""

    def begin(self, start: RunInfo, run_id: str | None = None) -> InMemoryRunLogger:
        """See `Tracker`."""
        return InMemoryRunLogger(start, NullRunLogger())


class TeeTracker:
    """Begins runs that are kept in memory, and stored as repetitions of others.

    Args:
      tracker: stores them.
      repeats: of each fingerprint and data digest the runs that are repeated, in the order asked for.
    """

    def __init__(self, tracker: Tracker, repeats: dict[tuple[str, str], list[str]]) -> None:
        self._tracker = tracker
        self._repeats = {identity: list(run_ids) for identity, run_ids in repeats.items()}

    def begin(self, start: RunInfo, run_id: str | None = None) -> InMemoryRunLogger:
        """See `Tracker`."""
        identity = start.tags[schema.FINGERPRINT], start.tags[schema.DATA_DIGEST]
        of = self._repeats[identity].pop(0)
        start.tags.update({schema.KIND: "reproduction", schema.REPRODUCES: of})
        return InMemoryRunLogger(start, self._tracker.begin(start))
