"""What a search asks of whoever trains its trials: a session of this process, or workers elsewhere."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from swath.config import KeptSteps
from swath.execution import Event, RunRequest, RunResult
from swath.sweeps import StartedSweep


class Trainer(Protocol):
    """Trains the trials of a search, and counts their results; see `swath.sweeps.Session`.

    Attributes:
      started: the sweep in the store, and what earlier commands have stored of it.
      began: start time, on the clock of `time.perf_counter`.
      is_whole: whether nothing is left to begin.
    """

    started: StartedSweep
    began: float
    is_whole: bool

    @property
    def kept(self) -> KeptSteps:
        """Which steps are stored, and where."""

    def start(self, requests: Sequence[RunRequest]) -> "list[Future[RunResult]]":
        """Train runs to their ends."""

    def start_trials(self, requests: Sequence[RunRequest]) -> "list[Future[RunResult]]":
        """Train trials to their next rung."""

    def end_trial(self, paused: RunResult, request: RunRequest, why: str) -> "Future[RunResult]":
        """End a trial for good that waits at a rung."""

    def record(self, result: RunResult) -> None:
        """Count the result of a trial that has ended among those of the sweep."""

    def expect(self, future: "Future[RunResult]", before: RunResult | None = None) -> None:
        """Count a trial that is still in training."""

    def tell(self, event: Event) -> None:
        """Pass an event to the observer."""

    def stop(self, reason: str = "interrupted") -> None:
        """Stop training, and wait until open runs have ended."""
