"""swath without its store: `python -m benchmarks.untracked -cn grid` trains what `swath -cn grid` trains.

Everything is composed, trained, evaluated and ranked; what would be tracked is dropped, and no tracking
process is started. swath itself has no such mode.
"""

from concurrent.futures import Future

import swath.sweeps.session
from swath.cli.entry import swath as main
from swath.tracking import NullRunLogger, RunInfo, StoreAddress, StoreInfo


class NoTracker:
    """Stands in for a `MlflowTracker`."""

    def open(self, address: StoreAddress) -> Future[StoreInfo]:
        """There is no store."""
        opened: Future[StoreInfo] = Future()
        opened.set_result(StoreInfo("sqlite:///mlflow.db", "0"))
        return opened

    def begin(self, start: RunInfo) -> NullRunLogger:
        """A run that leaves nothing."""
        return NullRunLogger()

    def close(self) -> None:
        """There is nothing to close."""


if __name__ == "__main__":
    swath.sweeps.session.MlflowTracker = NoTracker  # type: ignore[misc, assignment]
    main()
