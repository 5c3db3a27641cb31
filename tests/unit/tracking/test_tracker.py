"""A tracked run as the training process sees it: what it was told, and what it keeps of that."""

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
    """A tracking process that answers when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Future[Any]] = []

    def call(self, *_: Any) -> Future[Any]:
        self.calls.append(Future())
        return self.calls[-1]


def ended_run() -> tuple[MlflowRunLogger, list[Future[Any]]]:
    """A run that was begun, fed and ended, and the answers to that, which have not come yet."""
    worker = Answering()
    run = MlflowRunLogger(cast(Worker, worker), 1, START, None)
    run.log_steps(BLOCK)
    run.end(RunSummary("FINISHED", {}, None))
    return run, worker.calls


def test_answers_come_one_by_one() -> None:
    run, (begun, logged, ended) = ended_run()
    assert (run.run_id, run.stored) == (None, False)
    begun.set_result("id")
    assert (run.run_id, run.stored) == ("id", False)
    logged.set_result(None)
    assert (run.run_id, run.stored) == ("id", False)
    ended.set_result(0.5)
    assert (run.run_id, run.wait_for_id(), run.stored) == ("id", "id", True)
    assert run.settle() == run.settle() == ("id", 0.5)


def test_answers_are_kept_and_not_what_they_came_in() -> None:
    run, calls = ended_run()
    for call, answer in zip(calls, ("id", None, 0.5), strict=True):
        call.set_result(answer)
    kept = [weakref.ref(call) for call in calls]
    calls.clear()
    del call
    assert [future() for future in kept] == [None] * 3
    assert run.settle() == ("id", 0.5)


@pytest.mark.parametrize("failing", range(3))
def test_what_has_gone_wrong_is_told_as_often_as_it_is_asked(failing: int) -> None:
    run, calls = ended_run()
    for number, (call, answer) in enumerate(zip(calls, ("id", None, 0.5), strict=True)):
        if number == failing:
            call.set_exception(RemoteError("no room"))
        else:
            call.set_result(answer)
    assert run.stored
    assert run.wait_for_id() == run.run_id == (None if failing == 0 else "id")
    for _ in range(2):
        with pytest.raises(RemoteError, match="no room"):
            run.settle()
