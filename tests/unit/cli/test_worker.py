"""With which status a worker ends: whether its engine begins the lot again."""

import errno
import os
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from swath.cli import worker
from swath.config import TrainConfig
from swath.errors import AwayError, SwathError, UsageError
from swath.execution import RunResult
from swath.sweeps import Outcome
from swath.tracking import NullRunLogger, SupersededError
from swath.tracking.rpc import RemoteError, WorkerDiedError

NAMES = ("sqlite:///x.db", "0123456789ab", "0")


def ended(failure: SwathError | None, status: Any = "FINISHED", digest: str = "d") -> RunResult:
    """A result whose storing has failed, or not."""

    class Logger(NullRunLogger):
        def flush(self) -> tuple[str, float]:
            if failure is not None:
                raise failure
            return "run", 0.0

    config: TrainConfig = SimpleNamespace()  # type: ignore[assignment]
    return RunResult(config, status, {}, None, Logger(), digest=digest).flushed()


def session(**values: Any) -> Any:
    return SimpleNamespace(**{"superseded": "", "sweep_error": None, "passes": False, **values})


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([ended(None)], 0),
        ([ended(None, "FAILED")], 0),  # diverged
        ([ended(None, "FAILED", "")], 1),
        ([ended(None), ended(RemoteError("away", passes=True))], os.EX_TEMPFAIL),
        ([ended(RemoteError("denied")), ended(WorkerDiedError("died"))], os.EX_TEMPFAIL),
    ],
)
def test_lot_is_begun_again_if_what_failed_may_pass(results: list[RunResult], status: int) -> None:
    assert worker.exit_status(3, session(), Outcome(results)) == status


def test_what_the_store_refuses_for_good_is_one_line_and_not_begun_again() -> None:
    refused = Outcome([ended(None), ended(RemoteError("artifacts cannot be written to /x"))])
    with pytest.raises(SwathError, match="lot 3 has failed: artifacts cannot be written to /x; once that"):
        worker.exit_status(3, session(), refused)
    with pytest.raises(SwathError, match="denied") as caught:
        worker.exit_status(3, session(sweep_error="denied"), Outcome([ended(None)]))
    assert caught.value.exit_status == 1
    away = session(sweep_error="nobody answers", passes=True)
    assert worker.exit_status(3, away, Outcome([ended(None)])) == os.EX_TEMPFAIL


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AwayError("no database answers"), os.EX_TEMPFAIL),
        (RemoteError("the server does not answer", passes=True), os.EX_TEMPFAIL),
        (OperationalError(None, {}, Exception("server closed")), os.EX_TEMPFAIL),
        (OSError(errno.ENOSPC, "No space left on device"), os.EX_TEMPFAIL),
        (KeyboardInterrupt(), os.EX_TEMPFAIL),
        (OSError(errno.EACCES, "Permission denied"), None),
        (SwathError("the login of me is refused"), None),
        (SwathError("a word that 'database is locked' stands in"), None),
        (UsageError("no such sweep"), None),
    ],
)
def test_error_before_the_lot_is_begun(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int | None
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(worker, "train_lot", fail)
    if status is None:
        with pytest.raises(type(error)):
            worker.run([*NAMES])
    else:
        assert worker.run([*NAMES]) == status


def test_error_behind_another_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        try:
            raise OperationalError(None, {}, Exception("the database system is starting up"))
        except OperationalError as error:
            raise SwathError("the lot cannot be read") from error

    monkeypatch.setattr(worker, "train_lot", fail)
    assert worker.run([*NAMES]) == os.EX_TEMPFAIL


def test_superseded_worker_is_done() -> None:
    future: Future[None] = Future()
    future.set_exception(SupersededError("begun again"))
    assert getattr(future.exception(), "exit_status", None) == 0
    assert worker.exit_status(3, session(superseded="begun again"), Outcome([ended(None)])) == 0
