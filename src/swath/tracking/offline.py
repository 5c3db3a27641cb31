"""A store whose server may go away: what it cannot be told is kept in a store on the local disk meanwhile.

The spool is an MLflow store of its own, so that it can be looked at, and delivered run by run; see
`tracking.sync`.
"""

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.system import cache_folder, hide_password
from swath.tracking import schema
from swath.tracking.mlflow_calls import is_away
from swath.tracking.mlflow_settings import enable_retries, one_line
from swath.tracking.records import (
    MetricBatch,
    RunInfo,
    RunSummary,
    Status,
    StoreAddress,
    StoreInfo,
    SweepDescription,
    SweepSummary,
)
from swath.tracking.store import RunStore
from swath.tracking.sweep_run import FindBest

_log = logging.getLogger("swath")


Answer = TypeVar("Answer")


SERVER_RUN_ID = schema.SERVER_RUN_ID
"""Tag of a run in a spool: the id of the run at the server that it continues."""


def offline_folder(uri: str, experiment_id: str) -> Path:
    """Where spools of an experiment of a server are, a folder for each sweep."""
    store = hashlib.sha256(f"{hide_password(uri, uri)} {experiment_id}".encode()).hexdigest()[:16]
    return cache_folder() / "spool" / store


class OfflineFallbackStore:
    """The calls of a `RunStore`; see there.

    Attributes:
      away: why the server cannot be reached; None while it can.
    """

    def __init__(self, find_best: FindBest | None = None) -> None:
        self._find_best = find_best
        self._main = RunStore(find_best)
        self._spool: RunStore | None = None
        self._begun: dict[int, tuple[RunInfo, str | None]] = {}
        self._sweep: tuple[SweepDescription, str | None] | None = None
        self._folder: Path | None = None
        self.away: str | None = None

    @property
    def uri(self) -> str:
        """See `RunStore`."""
        return self._main.uri

    @property
    def experiment_id(self) -> str:
        """See `RunStore`."""
        return self._main.experiment_id

    @property
    def client(self) -> MlflowClient:
        """See `RunStore`."""
        return self._main.client

    @property
    def offline_folder_used(self) -> Path | None:
        """Where the spool is; None where there is none."""
        return self._folder

    def open(self, address: StoreAddress) -> StoreInfo:
        """See `RunStore`."""
        info = self._main.open(address)
        enable_retries()
        return info

    def begin(self, key: int, start: RunInfo, run_id: str | None = None) -> str:
        """See `RunStore`."""
        self._begun[key] = start, run_id
        begun = self._either(
            lambda: self._main.begin(key, start, run_id), lambda spool: self._begin_in(spool, key)
        )
        if self.away is None:
            self._begun[key] = start, begun
        return begun

    def log_steps(self, key: int, block: MetricBatch) -> None:
        """See `RunStore`."""
        self._either(
            lambda: self._main.log_steps(key, block),
            lambda spool: spool.log_steps(self._key(spool, key), block),
        )

    def end(self, key: int, end: RunSummary) -> float:
        """See `RunStore`."""
        tracked_s = self._either(
            lambda: self._main.end(key, end), lambda spool: spool.end(self._key(spool, key), end)
        )
        self._begun.pop(key, None)
        return tracked_s

    def begin_sweep(self, start: SweepDescription, run_id: str | None = None) -> str:
        """See `RunStore`."""
        self._sweep = start, run_id
        begun = self._either(
            lambda: self._main.begin_sweep(start, run_id), lambda spool: self._begin_sweep_in(spool)
        )
        if self.away is None:
            self._sweep = start, begun
        return begun

    def end_sweep(self, end: SweepSummary) -> None:
        """See `RunStore`."""

        def in_spool(spool: RunStore) -> None:
            if not spool.has_sweep:
                self._begin_sweep_in(spool)
            spool.end_sweep(end)

        self._either(lambda: self._main.end_sweep(end), in_spool)

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """See `RunStore`."""
        self._main.set_tag(run_id, name, value)

    def close(self, status: Status = "KILLED") -> int:
        """See `RunStore`."""
        left = 0 if self.away is not None else self._main.close(status)
        return left + (0 if self._spool is None else self._spool.close(status))

    def close_offline(self) -> None:
        """End what is still open in the spool, so that it can be delivered."""
        if self._spool is not None:
            self._spool.close()

    def _either(self, at_server: Callable[[], Answer], in_spool: Callable[[RunStore], Answer]) -> Answer:
        """Tell the server, or, once it has gone away, the spool."""
        if self.away is None:
            try:
                return at_server()
            except MlflowException as error:
                if not is_away(error):
                    raise
                self.away = one_line(error, self.uri)
                _log.debug("the server has gone away: %s", self.away)
        return in_spool(self._opened_spool())

    def _opened_spool(self) -> RunStore:
        if self._spool is None:
            sweep_id = self._sweep[0].sweep_id if self._sweep is not None else "single"
            name = f"{sweep_id}-{uuid.uuid4().hex[:8]}"  # two commands never share one
            self._folder = offline_folder(self.uri, self.experiment_id) / name
            self._folder.mkdir(parents=True, exist_ok=True)
            self._spool = RunStore(self._find_best)
            uri, artifacts = f"sqlite:///{self._folder}/mlflow.db", str(self._folder / "artifacts")
            self._spool.open(StoreAddress(uri, "spool", artifacts))
        return self._spool

    def _key(self, spool: RunStore, key: int) -> int:
        """The key of a run, which is begun in the spool where it had been begun at the server only."""
        if not spool.has_begun(key):
            self._begin_in(spool, key)
        return key

    def _begin_in(self, spool: RunStore, key: int) -> str:
        start, run_id = self._begun[key]
        known = {} if run_id is None else {SERVER_RUN_ID: run_id}
        begun = spool.begin(key, replace(start, tags={**start.tags, **known}))
        return run_id or begun

    def _begin_sweep_in(self, spool: RunStore) -> str:
        assert self._sweep is not None
        start, run_id = self._sweep
        known = {} if run_id is None else {SERVER_RUN_ID: run_id}
        begun = spool.begin_sweep(replace(start, tags={**start.tags, **known}))
        return run_id or begun
