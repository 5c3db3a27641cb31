"""The result of a command as JSON, including numbers that JSON does not have."""

import json
import math
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from support.small import run_config

from swath.cli.result_json import result_text
from swath.cli.summary import sweep_report
from swath.execution import RunResult, SweepInfo
from swath.tracking import StoreInfo

SWEEP_INFO = SweepInfo("grid", "0123456789ab", ("learning_rate",), "swath -m learning_rate=1e-7,1e-6")
SINGLE_INFO = SweepInfo("single", "0123456789ab", ())
STORE = StoreInfo("http://host:5000", "7")
NOTHING: Any = None


def result(number: int, **metrics: float) -> RunResult:
    values = {name.replace("_", "/", 1): value for name, value in metrics.items()}
    config = run_config(learning_rate=number * 1e-7)
    return RunResult(config, "FINISHED", values, None, NOTHING, run_id=f"{number:032x}")


def as_json(
    results: list[RunResult],
    info: SweepInfo = SWEEP_INFO,
    store: StoreInfo = STORE,
    status: str = "FINISHED",
    exit_status: int = 0,
    error: str | None = None,
) -> dict[str, Any]:
    report = sweep_report(info, store, results, len(results), 1.5)
    text = result_text(report, status, exit_status, error)
    assert text.endswith("}\n")
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return found


def test_numbers_that_json_does_not_have_are_null() -> None:
    found = as_json([result(1, test_accuracy=0.5, test_loss=math.inf), result(2, test_accuracy=math.nan)])
    assert [run["metrics"] for run in found["runs"]] == [
        {"test/accuracy": 0.5, "test/loss": None},
        {"test/accuracy": None},
    ]
    assert (found["best"]["run_id"], found["best"]["value"]) == (f"{1:032x}", 0.5)


def test_best_without_a_number_is_null() -> None:
    best = as_json([result(1, test_accuracy=math.nan)])["best"]
    assert (best["value"], best["interval"], best["test_accuracy"]) == (None, None, None)


def test_runs_are_in_the_order_of_their_ranks_and_those_without_one_come_last() -> None:
    failed = replace(result(3), status="FAILED", error="diverged at step 1: loss is nan", run_id=None)
    killed = replace(result(4), status="KILLED", error="interrupted")
    found = as_json([result(1, test_accuracy=0.2), failed, killed, result(2, test_accuracy=0.5)])
    assert [(run["rank"], run["run_id"], run["status"], run["error"]) for run in found["runs"]] == [
        (1, f"{2:032x}", "FINISHED", None),
        (2, f"{1:032x}", "FINISHED", None),
        (None, None, "FAILED", "diverged at step 1: loss is nan"),
        (None, f"{4:032x}", "KILLED", "interrupted"),
    ]
    assert (found["requested"], found["finished"], found["seconds"]) == (4, 2, 1.5)
    assert found["command"] == SWEEP_INFO.command


def addresses_beside(summary_run: Future[str] | None) -> dict[str, str]:
    report = sweep_report(SWEEP_INFO, STORE, [result(1, test_accuracy=0.5)], 1, 1.0, summary_run)
    found: dict[str, str] = json.loads(result_text(report, "FINISHED", 0, None))["addresses"]
    return found


def test_report_of_the_sweep_has_an_address() -> None:
    stored: Future[str] = Future()
    stored.set_result("f" * 32)
    assert addresses_beside(stored)["report"] == (
        f"http://host:5000/#/experiments/7/runs/{'f' * 32}?workflowType=machine_learning"
    )
    failed: Future[str] = Future()
    failed.set_exception(OSError("the disk is full"))
    for without in (failed, Future[str](), None):
        assert list(addresses_beside(without)) == ["table"]


def test_text_is_readable_in_any_script() -> None:
    report = sweep_report(replace(SWEEP_INFO, sweep="déjà"), STORE, [result(1)], 1, 1.0)
    assert "déjà" in result_text(report, "FINISHED", 0, None)


def test_address_is_that_of_the_table_or_of_the_single_run() -> None:
    run = result(1, test_accuracy=0.5)
    (table,) = as_json([run])["addresses"].items()
    assert table == (
        "table",
        "http://host:5000/#/experiments/7/runs?viewStateShareKey=0123456789ab&compareRunsMode=TABLE"
        "&workflowType=machine_learning",
    )
    (page,) = as_json([run], SINGLE_INFO)["addresses"].items()
    assert page == (
        "run",
        f"http://host:5000/#/experiments/7/runs/{run.run_id}?workflowType=machine_learning",
    )


def test_run_that_is_not_stored_has_no_address() -> None:
    run = result(1, test_accuracy=0.5)
    assert as_json([replace(run, run_id=None)])["addresses"] == {}
    assert as_json([run], store=StoreInfo("", ""))["addresses"] == {}


def test_command_without_results_has_no_runs_and_no_best() -> None:
    found = as_json([])
    assert (found["runs"], found["best"], found["ranked_by"]) == ([], None, None)


def test_outcome_is_that_of_the_command() -> None:
    found = as_json([result(1, test_accuracy=0.5)], status="FAILED", exit_status=1, error='no room: "déjà"')
    assert (found["status"], found["exit_status"], found["error"]) == ("FAILED", 1, 'no room: "déjà"')
    found = as_json([result(1, test_accuracy=0.5)])
    assert (found["status"], found["exit_status"], found["error"]) == ("FINISHED", 0, None)
