"""Printed output: of a single run while it is trained, and the report at the end of a command."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.small import run_config
from support.terminal import Terminal

from swath.analysis import MAX_FAILURES
from swath.cli.output import TERMINAL_ROWS, Output
from swath.cli.screens import SingleRunReporter
from swath.cli.summary import (
    SweepReport,
    print_answer,
    print_single,
    print_sweep,
    print_verification,
    resume_command,
    sweep_report,
)
from swath.config import DataConfig
from swath.execution import Note, RunEnded, RunResult, Starting, StepsDone, SweepInfo
from swath.tracking import StoreInfo

SWEEP_INFO = SweepInfo("learning_rate", "0123456789ab", ("learning_rate",))
STORE = StoreInfo("sqlite:///mlflow.db", "7")
TABLE_PAGE = (
    "#/experiments/7/runs?viewStateShareKey=0123456789ab&compareRunsMode=TABLE&workflowType=machine_learning"
)
LONGEST_LINE = 100
LONGEST_ADDRESS = 160
OPTIMISTIC = "no images held back, so the best score is optimistic"

Printed = tuple[list[str], list[str]]
"""Lines of standard output, and lines of standard error."""


@pytest.fixture(autouse=True)
def port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.ui_urls._listens", lambda port: False)
    monkeypatch.setattr("swath.tracking.ui_urls.shutil.which", lambda name: f"/bin/{name}")
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
        steps=10,
        trained_steps=10 if status == "FINISHED" else 0,
    )


def predicted(rate: float, accuracy: float, seed: int = 0) -> RunResult:
    """A result with validation images; a more accurate one is correct wherever a less accurate one is."""
    found = result(rate, validation_accuracy=accuracy, test_accuracy=accuracy / 2)
    correct = np.packbits(np.arange(1_000) < round(1_000 * accuracy)).tobytes()
    run_id = f"{seed:x}" + str(found.run_id)[1:]
    config = replace(found.config, seed=seed, data=DataConfig("cifar10", 1_000))
    return replace(found, config=config, run_id=run_id, correct={"validation": correct})


def report(
    results: Sequence[RunResult],
    store: StoreInfo = STORE,
    requested: int | None = None,
    sweep_info: SweepInfo = SWEEP_INFO,
) -> SweepReport:
    return sweep_report(sweep_info, store, results, requested or len(results), 12.34)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Prints a report and its answer; returns what was printed."""

    def printed_lines(found: SweepReport, output: Output | None = None) -> Printed:
        print_sweep(found, output or Output())
        print_answer(found, output or Output())
        captured = capsys.readouterr()
        return [line.rstrip() for line in captured.out.splitlines()], captured.err.splitlines()

    return printed_lines


def test_single_run_prints_the_training_accuracy_at_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    screen = SingleRunReporter(100)
    config = run_config()
    screen(StepsDone(config, 0, np.linspace(0, 1, 250, endpoint=False)))
    screen(StepsDone(config, 250, np.full(51, 0.28)))
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "Step     0: training accuracy 0",
        "Step   100: training accuracy 0.4",
        "Step   200: training accuracy 0.8",
        "Step   300: training accuracy 0.28",
    ]
    assert captured.err == ""


ENDED = RunEnded(result(0.005, test_accuracy=0.2803, runtime_total_s=4.5249))


def test_single_run_ends_with_the_test_accuracy_and_the_total_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    SingleRunReporter(100)(ENDED)
    assert capsys.readouterr() == ("Test accuracy 0.2803\nTotal time:  4.52s\n", "")


def test_single_run_prints_notes_on_standard_error_but_no_transient_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = SingleRunReporter(100)
    screen(Starting())
    screen(Note("a note"))
    screen(Note("a transient note", transient=True))
    assert capsys.readouterr() == ("", "a note\n")


def test_quiet_single_run_prints_only_its_results(capsys: pytest.CaptureFixture[str]) -> None:
    screen = SingleRunReporter(1, Output(quiet=True))
    screen(StepsDone(run_config(), 0, np.zeros(5)))
    screen(Note("a note"))
    screen(ENDED)
    assert capsys.readouterr() == ("Test accuracy 0.2803\nTotal time:  4.52s\n", "")


def test_single_run_beside_json_prints_its_progress_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = SingleRunReporter(2, Output(as_json=True))
    screen(StepsDone(run_config(), 0, np.zeros(3)))
    screen(ENDED)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Step     0: training accuracy 0",
        "Step     2: training accuracy 0",
        "Test accuracy 0.2803",
        "Total time:  4.52s",
    ]


def test_single_run_prints_its_id_and_the_address_of_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    print_single(result(1e-6), STORE, Output())
    captured = capsys.readouterr()
    assert captured.out == f"Run {1000:032x}\n"
    assert captured.err == (
        "See it: mlflow ui, then "
        f"http://127.0.0.1:5000/#/experiments/7/runs/{1000:032x}?workflowType=machine_learning\n"
    )


def test_failed_single_run_prints_its_reason_and_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    print_single(result(1.0, "FAILED", "diverged at step 17: loss is nan"), STORE, Output())
    captured = capsys.readouterr()
    assert captured.out == f"Run {10**9:032x}\n"
    assert captured.err.splitlines()[0] == "FAILED: diverged at step 17: loss is nan"


def test_table_is_ranked_by_validation_accuracy(printed: Any) -> None:
    table, words = printed(
        report(
            [
                result(1e-7, validation_accuracy=0.2, test_accuracy=0.9),
                result(1e-6, validation_accuracy=0.4, test_accuracy=0.1),
            ]
        )
    )
    assert table[0].split("  ")[0] == "rank"
    assert re.split(r"\s{2,}", table[0]) == [
        *("rank", "learning_rate", "validation/accuracy", "p", "test/accuracy", "time (s)", "run")
    ]
    assert [line.split() for line in table[1:]] == [
        ["1", "1e-06", "0.4000", "0.1000", "1.23", f"{1000:032x}"],
        ["2", "1e-07", "0.2000", "0.9000", "1.23", f"{100:032x}"],
    ]
    assert "Ranked by validation/accuracy." in words
    assert not any(line.startswith("To rank without") for line in words)


def test_table_marks_ties_with_the_best(printed: Any) -> None:
    accuracies = {1e-8: 0.2, 1e-7: 0.5, 1e-6: 0.501}
    table, words = printed(report([predicted(rate, accuracy) for rate, accuracy in accuracies.items()]))
    best, tied, other = (line.split() for line in table[1:])
    assert best[:3] == ["1", "1e-06", "0.5010"]
    assert tied[:4] == ["2", "=", "1e-07", "0.5000"]
    assert other[:3] == ["3", "1e-08", "0.2000"]
    assert (tied[4:6], other[3:5]) == (["0.469-0.531", "1.000"], ["0.176-0.226", "<0.001"])
    assert "Not significantly different from it (=; paired test, p > 0.05): 1 of 2 other runs." in words


def test_several_seeds_are_one_row_with_mean_and_standard_deviation(printed: Any) -> None:
    results = [
        predicted(rate, accuracy + seed / 100, seed)
        for rate, accuracy in ((1e-7, 0.2), (1e-6, 0.4))
        for seed in range(3)
    ]
    sweep_info = SweepInfo("learning_rate", "0123456789ab", ("learning_rate", "seed"))
    table, words = printed(report(results, sweep_info=sweep_info))
    assert re.split(r"\s{2,}", table[0]) == [
        *("rank", "learning_rate", "seeds", "validation/accuracy", "p", "test/accuracy")
    ]
    rows = [re.split(r"\s{2,}", line.strip()) for line in table[1:]]
    assert rows == [
        ["1", "1e-06", "3", "0.4100 ± 0.0100", "0.2050 ± 0.0050"],
        ["2", "1e-07", "3", "0.2100 ± 0.0100", "<0.001", "0.1050 ± 0.0050"],
    ]
    assert "Ranked by validation/accuracy (mean over seeds)." in words
    assert (
        "Best: learning_rate=1e-06: validation 0.410 ± 0.010 (3 seeds), test 0.205 ± 0.005 (3 seeds)"
        in "".join(words).replace("      ", ": ")
    )


def test_table_ranked_by_test_accuracy_has_a_note_and_a_suggestion(printed: Any) -> None:
    _, words = printed(report([result(1e-7, test_accuracy=0.9)]))
    assert f"Ranked by test/accuracy; {OPTIMISTIC}." in words
    assert "To rank without using the test images, add data.validation_size=5000" in words


def test_every_failure_has_a_line_with_its_reason(printed: Any) -> None:
    table, words = printed(
        report(
            [
                replace(result(1.0, "FAILED", "diverged at step 17: loss is nan"), run_id="1" * 32),
                result(1e-7, test_accuracy=0.9),
                replace(result(2.0, "KILLED", "interrupted"), run_id="2" * 32),
            ]
        )
    )
    assert len(table) == 2, "a failed run has no rank"
    assert "FAILED learning_rate=1.0: diverged at step 17: loss is nan (run 11111111)" in words
    assert "KILLED learning_rate=2.0: interrupted (run 22222222)" in words
    assert "1 of 3 runs finished in 12.3 s, 1 steps/s; sweep learning_rate, id 0123456789ab" in words


def test_interrupted_runs_have_one_line_with_the_steps_they_reached(printed: Any) -> None:
    results = [replace(result(rate, "KILLED", "interrupted"), steps=int(rate * 1000)) for rate in (1.0, 2.5)]
    _, words = printed(report(results))
    assert words[0] == "KILLED 2 configurations: interrupted, after 1,000 to 2,500 steps"
    _, words = printed(report([replace(each, steps=0) for each in results]))
    assert words[0] == "KILLED 2 configurations: interrupted"
    _, words = printed(report([replace(each, steps=7) for each in results]))
    assert words[0] == "KILLED 2 configurations: interrupted, after 7 steps"


def test_sweep_without_a_finished_run_has_no_table_and_no_answer(printed: Any) -> None:
    table, words = printed(report([result(1.0, "FAILED", "diverged"), result(2.0, "FAILED", "diverged")]))
    assert table == []
    assert [line.split()[0] for line in words] == ["FAILED", "FAILED", "0", "See"]
    assert words[2] == "0 of 2 runs finished in 12.3 s, 0 steps/s; sweep learning_rate, id 0123456789ab"


def test_resume_with_nothing_to_do_is_reported(printed: Any) -> None:
    done = [replace(result(rate, test_accuracy=0.9), reused=True) for rate in (1e-7, 1e-6)]
    table, words = printed(report(done))
    assert "Nothing to do: 2 of 2 runs have already finished; sweep learning_rate, id 0123456789ab" in words
    assert any(line.startswith("Ranked by") for line in words)
    assert len(table) == 3


def test_steps_of_reused_runs_do_not_count_as_speed(printed: Any) -> None:
    done = replace(result(1e-7, test_accuracy=0.9), reused=True)
    done = replace(done, steps=1_000_000, trained_steps=0)
    _, words = printed(report([done, result(1e-6, test_accuracy=0.9)]))
    assert "2 of 2 runs finished in 12.3 s, 1 steps/s; sweep learning_rate, id 0123456789ab" in words


def test_configurations_that_were_not_started_are_counted(printed: Any) -> None:
    _, words = printed(report([result(1e-7, test_accuracy=0.9)], requested=72))
    assert (
        "1 of 72 runs finished in 12.3 s, 1 steps/s; 71 were not started; "
        "sweep learning_rate, id 0123456789ab" in words
    )


def test_table_shows_varying_fields_if_a_sweeper_chose_them(printed: Any) -> None:
    results = [result(1e-7, test_accuracy=0.9), result(1e-6, test_accuracy=0.8)]
    table, words = printed(report(results, sweep_info=SweepInfo("ad-hoc", "0123456789ab", ())))
    assert "learning_rate" in table[0].split()
    assert any(line.startswith("Best: learning_rate=1e-07: test 0.900 (") for line in words)


def test_verify_lists_runs_that_are_not_bit_identical_to_their_solo_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_verification([(result(1e-7), True), (result(1e-6), False)], SWEEP_INFO, Output())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"lanes.verify: learning_rate=1e-06 is not bit-identical to its solo run (run {1000:032x})",
        "lanes.verify: 1 of 2 runs are bit-identical to their solo runs",
    ]


def many_results() -> list[RunResult]:
    finished = [result(rate * 1e-7, validation_accuracy=rate / 1000) for rate in range(1, 151)]
    failed = [result(rate * 1e-2, "FAILED", f"diverged at step {rate}") for rate in range(1, 131)]
    return finished + failed


def test_without_a_terminal_the_table_has_every_run(printed: Any) -> None:
    table, words = printed(report(many_results()))
    assert [line.split()[0] for line in table[1:]] == [str(place) for place in range(1, 151)]
    assert not any("more: " in line for line in words)


def test_number_of_listed_failures_is_limited(printed: Any) -> None:
    _, words = printed(report(many_results()))
    assert sum("FAILED" in line for line in words) == MAX_FAILURES
    assert f"... {130 - MAX_FAILURES} more failures" in words


@pytest.mark.parametrize(("count", "more"), [(TERMINAL_ROWS, 0), (TERMINAL_ROWS + 1, 1), (150, 130)])
def test_terminal_shows_a_screenful_of_rows(monkeypatch: pytest.MonkeyPatch, count: int, more: int) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "dumb")
    screen, errors = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stderr", errors)
    print_sweep(
        report([result(rate, validation_accuracy=rate / 1000) for rate in range(1, count + 1)]), Output()
    )
    assert [line.split()[:2] for line in screen.lines[-TERMINAL_ROWS:]] == [
        [str(place), str(count + 1 - place)] for place in range(1, TERMINAL_ROWS + 1)
    ]
    assert not any(line.split()[0] == str(TERMINAL_ROWS + 1) for line in screen.lines)
    notes = [line for line in errors.lines if line.startswith("...")]
    assert notes == ([f"... {more} more: swath-compare 0123456789ab"] if more else [])


def test_many_failures_for_one_reason_are_one_line(printed: Any) -> None:
    _, words = printed(report([result(rate * 1e-7, "FAILED", "MLflow: disk full") for rate in range(1, 73)]))
    assert words[0] == "FAILED 72 configurations: MLflow: disk full"
    assert sum("FAILED" in line for line in words) == 1


def test_last_lines_are_the_answer_and_where_to_see_more(printed: Any) -> None:
    _, words = printed(report([predicted(rate, accuracy) for rate, accuracy in ((1e-7, 0.2), (1e-6, 0.4))]))
    assert words[-5].startswith("Best: learning_rate=1e-06: validation 0.400 (")
    assert words[-5].endswith("), test 0.200, run 00000000")
    assert words[-4] == "It is significantly better than the other run (paired test, p < 0.05)."
    assert words[-3].startswith("At the edge of the grid, ")
    assert words[-2] == f"See it: mlflow ui, then http://127.0.0.1:5000/{TABLE_PAGE}"
    assert words[-1] == "More: swath-compare 0123456789ab"


THREE_FIELDS = ("batch_size", "learning_rate", "max_steps")


@pytest.mark.parametrize(
    "swept",
    [
        ("learning_rate",),
        THREE_FIELDS,
    ],
    ids=["one field", "three fields"],
)
def test_nothing_but_an_address_is_long(printed: Any, swept: tuple[str, ...]) -> None:
    rates = [1.234567e-7, 2.3456789e-6, 3.4567891e-5]
    results = [predicted(rate, 0.1 + place / 100) for place, rate in enumerate(rates)]
    results += [result(rate, "FAILED", "diverged at step 17: loss is nan") for rate in (1e5, 2e5)]
    results += [result(rate * 1e6, "FAILED", "MLflow: the disk is full") for rate in range(1, 9)]
    _, words = printed(report(results, sweep_info=SweepInfo("learning_rate", "0123456789ab", swept)))
    assert len(words) > 8
    assert any(line.startswith("FAILED ") for line in words)
    told = [line for line in words if "://" not in line]
    assert [line for line in told if len(line) > LONGEST_LINE] == []
    (line,) = [line for line in words if "://" in line]
    assert len(line[line.index("http") :]) <= LONGEST_ADDRESS


def test_nothing_else_is_long_with_several_fields(printed: Any) -> None:
    results = [predicted(rate, 0.1 + rate * 1e4) for rate in (1.234567e-7, 2.3456789e-6, 3.4567891e-5)]
    _, words = printed(report(results, sweep_info=SweepInfo("learning_rate", "0123456789ab", THREE_FIELDS)))
    told = [line for line in words if "://" not in line]
    assert len(told) > 5
    assert [line for line in told if len(line) > LONGEST_LINE] == []


def test_tracking_server_is_shown_by_its_own_address(printed: Any) -> None:
    store = StoreInfo("http://host:5000/", "7")
    _, words = printed(report([result(1e-7, test_accuracy=0.9)], store=store))
    assert words[-2] == f"See it: http://host:5000/{TABLE_PAGE}"


def test_run_that_is_not_stored_has_no_address(printed: Any) -> None:
    _, words = printed(report([replace(result(1e-7, test_accuracy=0.9), run_id=None)]))
    assert not any(line.startswith(("See it", "More")) for line in words)
    assert words[-1].startswith("Best: ")
    _, words = printed(report([result(1e-7, test_accuracy=0.9)], store=StoreInfo("", "")))
    assert not any(line.startswith(("See it", "More")) for line in words)


def test_other_store_is_given_to_mlflow_ui_and_to_swath_compare(printed: Any) -> None:
    store = StoreInfo("sqlite:////else/x.db", "7")
    _, words = printed(report([result(1e-7, test_accuracy=0.9)], store=store))
    assert words[-2].startswith(
        "See it: mlflow ui --backend-store-uri sqlite:////else/x.db, then http://127.0.0.1:5000/#/"
    )
    assert words[-1] == "More: swath-compare 0123456789ab --uri sqlite:////else/x.db"


def test_occupied_port_is_not_suggested(printed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = report([result(1e-7, test_accuracy=0.9)])

    def see_it() -> str:
        _, words = printed(found)
        return str(words[-2])

    monkeypatch.setattr("swath.tracking.ui_urls._listens", lambda port: port < 5002)
    at_5002 = f"See it: mlflow ui --port 5002, then http://127.0.0.1:5002/{TABLE_PAGE}"
    assert see_it() == at_5002
    monkeypatch.setattr("swath.tracking.ui_urls._shows", lambda port, run_id: port == 5001)
    assert see_it() == f"See it: http://127.0.0.1:5001/{TABLE_PAGE}", "the store is already shown there"
    monkeypatch.setattr("swath.tracking.ui_urls._shows", lambda port, run_id: False)
    for odd in ("99999", "²", "0", "x"):
        monkeypatch.setenv("MLFLOW_PORT", odd)
        assert see_it() == at_5002
    monkeypatch.setenv("MLFLOW_PORT", "6000")
    assert see_it() == f"See it: mlflow ui, then http://127.0.0.1:6000/{TABLE_PAGE}"


@pytest.mark.parametrize(("width", "digits"), [(200, 32), (60, 8)])
def test_narrow_table_shows_the_first_digits_of_the_run_ids(
    printed: Any, monkeypatch: pytest.MonkeyPatch, width: int, digits: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    table, _ = printed(report([result(1e-7, test_accuracy=0.9)]))
    (row,) = [line.split() for line in table if "1e-07" in line]
    assert len(row[-1]) == digits


def test_quiet_report_prints_only_the_table(printed: Any) -> None:
    results = [result(1e-7, test_accuracy=0.9), result(1.0, "FAILED", "diverged at step 17")]
    table, words = printed(report(results), Output(quiet=True))
    assert len(table) == 2
    assert words == []


def test_report_beside_json_prints_no_table_but_all_words(printed: Any) -> None:
    found = report([result(1e-7, test_accuracy=0.9), result(1.0, "FAILED", "diverged at step 17")])
    _, usual = printed(found)
    table, words = printed(found, Output(as_json=True))
    assert table == []
    assert words == usual


def test_resume_command_replaces_an_earlier_resume_setting() -> None:
    assert resume_command("swath -m 'seed=0, 1' resume=failed x=1") == "swath -m 'seed=0, 1' x=1 resume=yes"
