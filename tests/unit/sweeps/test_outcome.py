"""The exit status of a command follows from how its runs ended."""

from typing import Any

import pytest
from support.small import run_config

from swath.execution import RunResult
from swath.sweeps import Outcome
from swath.tracking import NullRunLogger


def result(status: Any, digest: str = "", *, transient: bool = False) -> RunResult:
    error = None if status == "FINISHED" else "a reason"
    return RunResult(run_config(), status, {}, error, NullRunLogger(), digest=digest, is_transient=transient)


FINISHED, DIVERGED = result("FINISHED", "a"), result("FAILED", "b")
FAULT, LOST = result("FAILED"), result("FAILED", transient=True)


@pytest.mark.parametrize(
    ("results", "sweep", "search"),
    [
        ([FINISHED, FINISHED], 0, 0),
        ([FINISHED, DIVERGED], 1, 0),
        ([DIVERGED, DIVERGED], 1, 1),
        ([FINISHED, result("KILLED")], 1, 0),
        ([FINISHED, FAULT], 1, 1),
        ([FINISHED, LOST], 1, 1),
    ],
    ids=["finished", "diverged", "all diverged", "put down", "fault of a program", "lost by the store"],
)
def test_status(results: list[RunResult], sweep: int, search: int) -> None:
    assert Outcome(results).exit_status == sweep
    assert Outcome(results, is_search=True).exit_status == search


def test_search_that_a_failure_has_stopped() -> None:
    assert Outcome([FINISHED, DIVERGED], is_search=True, is_cut_off=True).exit_status == 1
