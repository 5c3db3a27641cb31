"""Printed output: while configurations are trained, and at the end of the command."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from support.small import run_config

from swath.cli.screens import SingleRunReporter
from swath.cli.summary import print_single, print_sweep, print_verification
from swath.execution import RunEnded, RunResult, StepsDone, SweepInfo
from swath.tracking import StoreInfo

SWEEP_INFO = SweepInfo("learning_rate", "0123456789ab", ("learning_rate",))
STORE = StoreInfo("sqlite:///mlflow.db", "7")


@pytest.fixture(autouse=True)
def port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.ui_urls._listens", lambda port: False)
    monkeypatch.delenv("MLFLOW_PORT", raising=False)


def result(rate: float, status: str = "FINISHED", error: str | None = None, **metrics: float) -> RunResult:
    values = {name.replace("_", "/", 1): value for name, value in metrics.items()}
    anything: Any = None
    run_id = f"{int(rate * 1e9):032x}"
    return RunResult(
        run_config(learning_rate=rate),
        status,  # type: ignore[arg-type]
        {"runtime/train_s": 1.2, "runtime/evaluate_s": 0.034, "runtime/total_s": 5.0, **values},
        error,
        anything,
        0.25,
        "the bits",
        run_id,
    )


def sweep_screen(results: list[RunResult], width: int = 200, store: StoreInfo = STORE) -> list[str]:
    output = io.StringIO()
    print_sweep(results, len(results), SWEEP_INFO, store, Console(file=output, width=width), 12.34)
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_single_run_prints_the_training_accuracy_at_an_interval() -> None:
    output = io.StringIO()
    screen = SingleRunReporter(100, output)
    config = run_config()
    screen(StepsDone(config, 0, np.linspace(0, 1, 250, endpoint=False)))
    screen(StepsDone(config, 250, np.full(51, 0.28)))
    assert output.getvalue().splitlines() == [
        "Step     0: training accuracy 0",
        "Step   100: training accuracy 0.4",
        "Step   200: training accuracy 0.8",
        "Step   300: training accuracy 0.28",
    ]


def test_single_run_ends_with_the_test_accuracy_and_the_total_time() -> None:
    output = io.StringIO()
    SingleRunReporter(100, output)(RunEnded(result(0.005, test_accuracy=0.2803, runtime_total_s=4.5249)))
    assert output.getvalue().splitlines() == ["Test accuracy 0.2803", "Total time:  4.52s"]


def test_single_run_prints_its_id_and_ui_address() -> None:
    output = io.StringIO()
    print_single(result(1e-6), STORE, Console(file=output, width=200))
    lines = output.getvalue().splitlines()
    assert lines[0] == f"Run {1000:032x}"
    assert lines[1].startswith("See it: ")
    assert lines[1].endswith("mlflow ui")
    assert lines[2] == f"  its page: http://127.0.0.1:5000/#/experiments/7/runs/{1000:032x}"


def test_table_is_ranked_by_validation_accuracy() -> None:
    lines = sweep_screen(
        [
            result(1e-7, validation_accuracy=0.2, test_accuracy=0.9),
            result(1e-6, validation_accuracy=0.4, test_accuracy=0.1),
        ]
    )
    rows = [line.split() for line in lines if line.lstrip()[:1] in ("1", "2")]
    assert [row[:5] for row in rows[:2]] == [
        ["1", "1e-06", "0.2500", "0.4000", "0.1000"],
        ["2", "1e-07", "0.2500", "0.2000", "0.9000"],
    ]
    assert "Ranked by validation/accuracy." in lines


def test_table_ranked_by_test_accuracy_has_a_note_and_a_suggestion() -> None:
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)])
    (note,) = [line for line in lines if line.startswith("Ranked")]
    assert note == (
        "Ranked by test/accuracy, because no images were held back for validation, "
        "so the best score is optimistic."
    )
    assert "To rank without using the test images, add data.validation_size=5000" in lines


def test_every_failure_has_a_line_with_its_reason() -> None:
    lines = sweep_screen(
        [
            result(1.0, "FAILED", "diverged at step 17: loss is nan"),
            result(1e-7, test_accuracy=0.9),
            result(2.0, "KILLED", "interrupted"),
        ]
    )
    assert f"FAILED learning_rate=1.0: diverged at step 17: loss is nan (run {10**9:032x})" in lines
    assert f"KILLED learning_rate=2.0: interrupted (run {2 * 10**9:032x})" in lines
    assert (
        "1 of 3 configurations finished in 12.3 s, 1 steps/s in total; sweep learning_rate, id 0123456789ab"
        in lines
    )


def test_resume_with_nothing_to_do_is_reported() -> None:
    done = [replace(result(rate, test_accuracy=0.9), reused=True) for rate in (1e-7, 1e-6)]
    lines = sweep_screen(done)
    assert "Nothing to do: 2 of 2 runs have already finished; sweep learning_rate, id 0123456789ab" in lines
    assert any(line.startswith("Ranked by") for line in lines)


def test_configurations_that_were_not_started_are_counted() -> None:
    output = io.StringIO()
    console = Console(file=output, width=200)
    print_sweep([result(1e-7, test_accuracy=0.9)], 72, SWEEP_INFO, STORE, console, 12.34)
    assert (
        "1 of 72 configurations finished in 12.3 s, 1 steps/s in total; 71 were not started;"
        in output.getvalue()
    )


def test_table_shows_varying_fields_if_a_sweeper_chose_them() -> None:
    output = io.StringIO()
    results = [result(1e-7, test_accuracy=0.9), result(1e-6, test_accuracy=0.8)]
    sweep_info = SweepInfo("ad-hoc", "0123456789ab", ())
    print_sweep(results, 2, sweep_info, STORE, Console(file=output, width=200), 1.0)
    assert "learning_rate" in output.getvalue().splitlines()[1]


def test_verify_lists_runs_that_are_not_bit_identical_to_their_solo_runs() -> None:
    output = io.StringIO()
    compared = [(result(1e-7), True), (result(1e-6), False)]
    print_verification(compared, SWEEP_INFO, Console(file=output, width=200))
    assert output.getvalue().splitlines() == [
        f"lanes.verify: learning_rate=1e-06 is not bit-identical to its solo run (run {1000:032x})",
        "lanes.verify: 1 of 2 runs are bit-identical to their solo runs",
    ]


def test_long_tables_are_truncated_with_a_note() -> None:
    finished = [result(rate * 1e-7, validation_accuracy=rate / 1000) for rate in range(1, 151)]
    failed = [result(rate * 1e-2, "FAILED", f"diverged at step {rate}") for rate in range(1, 131)]
    lines = sweep_screen(finished + failed)
    assert sum("FAILED" in line for line in lines) == 100
    assert "The best 100 of 150; the MLflow UI shows all." in lines
    assert "... and 30 more failures" in lines


def test_many_failures_for_one_reason_are_one_line() -> None:
    lines = sweep_screen([result(rate * 1e-7, "FAILED", "MLflow: disk full") for rate in range(1, 73)])
    assert lines[0] == "FAILED 72 configurations: MLflow: disk full"


def test_sweep_prints_an_address_that_shows_only_its_runs() -> None:
    assert sweep_screen([result(1e-7, test_accuracy=0.9)])[-2] == (
        "  its runs: http://127.0.0.1:5000/#/experiments/7/runs?viewStateShareKey=0123456789ab"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def test_tracking_server_is_shown_by_its_own_address() -> None:
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)], store=StoreInfo("http://host:5000/", "7"))
    assert lines[-3] == "See it:"
    assert lines[-2].startswith("  its runs: http://host:5000/#/experiments/7/runs?")


def test_other_store_is_given_to_mlflow_ui() -> None:
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)], store=StoreInfo("sqlite:////else/x.db", "7"))
    assert lines[-3].endswith("mlflow ui --backend-store-uri sqlite:////else/x.db")
    assert lines[-1].startswith("Confidence intervals and importances: ")
    assert lines[-1].endswith("swath-compare 0123456789ab --uri sqlite:////else/x.db")


def test_occupied_port_is_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.ui_urls._listens", lambda port: port < 5002)
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)])
    assert lines[-3].endswith("mlflow ui --port 5002")
    assert lines[-2].startswith("  its runs: http://127.0.0.1:5002/#/experiments/7/runs?")
    monkeypatch.setattr("swath.tracking.ui_urls._shows", lambda port, run_id: port == 5001)
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)])
    assert lines[-3] == "See it:"
    assert lines[-2].startswith("  its runs: http://127.0.0.1:5001/"), (
        "the store is already shown at this port"
    )
    monkeypatch.setattr("swath.tracking.ui_urls._shows", lambda port, run_id: False)
    for odd in ("99999", "²", "0", "x"):
        monkeypatch.setenv("MLFLOW_PORT", odd)
        assert sweep_screen([result(1e-7, test_accuracy=0.9)])[-3].endswith("mlflow ui --port 5002")
    monkeypatch.setenv("MLFLOW_PORT", "6000")
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)])
    assert lines[-3].endswith("mlflow ui")
    assert lines[-2].startswith("  its runs: http://127.0.0.1:6000/#/experiments/7/runs?")


@pytest.mark.parametrize(("width", "digits"), [(200, 32), (60, 8)])
def test_narrow_table_shows_the_first_digits_of_the_run_ids(width: int, digits: int) -> None:
    lines = sweep_screen([result(1e-7, test_accuracy=0.9)], width)
    (row,) = [line.split() for line in lines if "1e-07" in line]
    assert len(row[-1]) == digits
