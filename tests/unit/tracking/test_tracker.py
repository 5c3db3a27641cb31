"""`MlflowRunLogger`: its state while replies arrive, and the data that it keeps."""

import weakref
from concurrent.futures import Future
from typing import Any, cast

import numpy as np
import pytest

from swath.tracking import MetricBatch, RunInfo, RunSummary
from swath.tracking.rpc import RemoteError, Worker
from swath.tracking.tracker import MlflowRunLogger

BLOCK = MetricBatch(0, {"train/loss": np.zeros(3)})
START = cast(RunInfo, None)


class Answering:
    """A worker whose replies the test provides."""

    def __init__(self) -> None:
        self.calls: list[Future[Any]] = []

    def call(self, *_: Any) -> Future[Any]:
        self.calls.append(Future())
        return self.calls[-1]


def ended_run() -> tuple[MlflowRunLogger, list[Future[Any]]]:
    """A run that was started, logged and ended, with its pending calls."""
    worker = Answering()
    run = MlflowRunLogger(cast(Worker, worker), 1, START, None)
    run.log(BLOCK)
    run.end(RunSummary("FINISHED", {}, None))
    return run, worker.calls


def test_state_follows_the_replies() -> None:
    run, (begun, logged, ended) = ended_run()
    assert (run.run_id, run.is_flushed) == (None, False)
    begun.set_result("id")
    assert (run.run_id, run.is_flushed) == ("id", False)
    logged.set_result(None)
    assert (run.run_id, run.is_flushed) == ("id", False)
    ended.set_result(0.5)
    assert (run.run_id, run.wait_for_id(), run.is_flushed) == ("id", "id", True)
    assert run.flush() == run.flush() == ("id", 0.5)


def test_outcome_is_kept_and_futures_are_released() -> None:
    run, calls = ended_run()
    for call, answer in zip(calls, ("id", None, 0.5), strict=True):
        call.set_result(answer)
    kept = [weakref.ref(call) for call in calls]
    calls.clear()
    del call
    assert [future() for future in kept] == [None] * 3
    assert run.flush() == ("id", 0.5)


@pytest.mark.parametrize("failing", range(3))
def test_flush_raises_an_error_each_time(failing: int) -> None:
    run, calls = ended_run()
    for number, (call, answer) in enumerate(zip(calls, ("id", None, 0.5), strict=True)):
        if number == failing:
            call.set_exception(RemoteError("no room"))
        else:
            call.set_result(answer)
    assert run.is_flushed
    assert run.wait_for_id() == run.run_id == (None if failing == 0 else "id")
    for _ in range(2):
        with pytest.raises(RemoteError, match="no room"):
            run.flush()
