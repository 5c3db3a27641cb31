"""What commands print: data on standard output, words on standard error, in terminals, files and pipes."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from rich.cells import cell_len
from support.command import IS_CONFIGURATION, SWATH, SWATH_COMPARE, error_lines, swath, swath_compare
from support.terminal import run_in_terminal, segments
from support.waiting import has_steps, running, wait_for

DIGITS = ("data=digits", "data.validation_size=300")
GRID = ("-m", *DIGITS, "batch_size=20", "learning_rate=1e-7,2e-7,1e-6", "max_steps=30")
FAILING = ("-m", *DIGITS, "batch_size=20", "learning_rate=1e-7,1e36", "max_steps=5")
SEEDS = ("-m", *DIGITS, "batch_size=20", "learning_rate=1e-7,1e-6", "seed=0,1,2", "max_steps=30")
SINGLE = (*DIGITS, "max_steps=5", "learning_rate=1e-6")
JSON = ("--format", "json")
LONGEST_LINE = 100
LONGEST_ADDRESS = 160


def runs_of(folder: Path) -> dict[str, Run]:
    """The runs of configurations in a store, by run id."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return {run.info.run_id: run for run in client.search_runs(["1"], IS_CONFIGURATION)}


def result_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Standard output as JSON; fails if it contains anything else."""
    found: dict[str, Any] = json.loads(done.stdout, parse_constant=pytest.fail)
    return found


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A sweep with several seeds."""
    folder = tmp_path_factory.mktemp("seeds")
    done = swath(folder, *SEEDS)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A sweep of three configurations."""
    folder = tmp_path_factory.mktemp("grid")
    done = swath(folder, *GRID)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.mark.parametrize("name", ["grid", "seeds"])
def test_sweep_ends_with_the_table_and_the_answer_of_swath_compare(
    name: str, request: pytest.FixtureRequest
) -> None:
    folder, done = request.getfixturevalue(name)
    compared = swath_compare(folder, "ad-hoc", "--format", "table")
    assert done.stdout == compared.stdout
    lines, others = done.stderr.splitlines(), compared.stderr.splitlines()
    first, last = (
        next(n for n, line in enumerate(lines) if line.startswith(word)) for word in ("Best", "See")
    )
    assert others[-(last - first) :] == lines[first:last]
    assert next(line for line in lines if line.startswith("Ranked")) in others


def test_table_of_a_resumed_sweep_is_that_of_swath_compare(tmp_path: Path) -> None:
    assert swath(tmp_path, *GRID).returncode == 0
    done = swath(tmp_path, *GRID, "max_steps=30,60", "resume=yes")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 6
    assert done.stdout == swath_compare(tmp_path, "ad-hoc", "--format", "table").stdout
    nothing = swath(tmp_path, *GRID, "max_steps=30,60", "resume=yes")
    assert nothing.stdout == done.stdout, "predictions of finished runs are read from the store"
    assert "Nothing to do: 6 of 6 runs have already finished" in nothing.stderr


def test_last_lines_are_the_answer_an_address_and_a_command(
    grid: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    folder, done = grid
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"3 configurations; loading TensorFlow; training takes about \d+ s ...", lines[0])
    sweep_id = next(iter(runs_of(folder).values())).data.tags["swath.sweep_id"]
    totals = next(line for line in lines if " runs finished in " in line)
    assert re.fullmatch(
        rf"3 of 3 runs finished in \d+\.\d s, [\d,]+ steps/s; sweep ad-hoc, id {sweep_id}", totals
    )
    answer = lines[lines.index(totals) + 1 :]
    assert answer[0].startswith("Best: learning_rate=1e-06: validation 0.")
    assert re.fullmatch(
        r"Not significantly different from it \(=; paired test, p > 0\.05\): [12] of 2 other runs\."
        r"|It is significantly better than the 2 other runs \(paired test, p < 0\.05\)\.",
        answer[1],
    )
    edge = "At the edge of the grid, so better values may lie beyond: learning_rate=1e-06 (largest of 3)."
    assert answer[2] == edge
    assert re.fullmatch(r"See it: \S*mlflow ui( --port \d+)?, then http://127\.0\.0\.1:\d+/#/\S+", answer[3])
    assert "compareRunsMode=TABLE" in answer[3] and "workflowType=machine_learning" in answer[3]
    assert re.fullmatch(rf"More: \S*swath-compare {sweep_id}", answer[4])
    assert len(answer) == 5
    assert [line for line in lines if "://" not in line and len(line) > LONGEST_LINE] == []
    assert len(answer[3][answer[3].index("http") :]) <= LONGEST_ADDRESS


def test_json_of_a_sweep_has_the_stored_values_and_nothing_else(tmp_path: Path) -> None:
    done = swath(tmp_path, *JSON, *GRID)
    assert done.returncode == 0, done.stderr
    found = result_of(done)
    stored = runs_of(tmp_path)
    assert (found["status"], found["exit_status"], found["error"]) == ("FINISHED", 0, None)
    assert (found["sweep"], found["requested"], found["finished"]) == ("ad-hoc", 3, 3)
    assert found["store"] == "sqlite:///mlflow.db"
    assert found["command"].startswith("swath --format json -m data=digits")
    assert {run["run_id"] for run in found["runs"]} == set(stored)
    for run in found["runs"]:
        own = stored[run["run_id"]]
        assert own.data.tags["swath.sweep_id"] == found["sweep_id"]
        stored_params = dict(own.data.params)
        assert float(stored_params.pop("log10 learning_rate")) < -5, "for MLflow's page only"
        assert run["params"] == stored_params
        single = {name: value for name, value in own.data.metrics.items() if not name.startswith("train/")}
        assert run["metrics"] == single
        assert (run["status"], run["error"], run["reused"]) == ("FINISHED", None, False)
    by_rank = sorted(found["runs"], key=lambda run: int(run["rank"]))
    accuracies = [run["metrics"]["validation/accuracy"] for run in by_rank]
    assert [run["rank"] for run in by_rank] == [1, 2, 3]
    assert accuracies == sorted(accuracies, reverse=True)
    best = found["best"]
    assert best["run_id"] == by_rank[0]["run_id"]
    assert (found["ranked_by"], best["metric"]) == ("validation/accuracy", "validation/accuracy")
    assert best["value"] == accuracies[0]
    assert best["interval"][0] < best["value"] < best["interval"][1]
    assert (best["over_seeds"], best["others"], best["tested"]) == (None, 2, 2)
    assert best["test_accuracy"] == by_rank[0]["metrics"]["test/accuracy"]
    assert best["at_edge"] == ["learning_rate"]
    assert [run["rank"] for run in found["runs"]] == [1, 2, 3], "best first"
    assert found["addresses"]["table"] in done.stderr
    (report,) = re.findall(r"/runs/([0-9a-f]{32})\?", found["addresses"]["report"])
    assert report not in stored, "the sweep's own run"


def test_words_beside_json_are_those_beside_a_table(
    grid: tuple[Path, "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    """Except ids and times, and lines that a slow machine prints in between."""

    def without_numbers(text: str) -> list[str]:
        first, *lines = [re.sub(r"[0-9a-f]{8,}|[\d,.]+", "N", line) for line in text.splitlines()]
        return [first, *lines[next(n for n, line in enumerate(lines) if line.startswith("Ranked")) :]]

    _, usual = grid
    done = swath(tmp_path, *JSON, *GRID)
    assert without_numbers(done.stderr) == without_numbers(usual.stderr)


def test_json_of_several_seeds_has_mean_and_standard_deviation(
    seeds: tuple[Path, "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    done = swath(tmp_path, *JSON, *SEEDS)
    best = result_of(done)["best"]
    over_seeds = best["over_seeds"]
    assert over_seeds["n"] == 3
    assert (best["others"], best["tested"]) == (1, 1)
    _, usual = seeds
    cell = f"{over_seeds['mean']:.4f} ± {over_seeds['sd']:.4f}"
    assert cell in usual.stdout.splitlines()[1], "the same numbers on every run"


def test_failed_run_is_in_the_json_and_in_the_exit_status(tmp_path: Path) -> None:
    done = swath(tmp_path, *JSON, *FAILING)
    assert done.returncode == 1
    found = result_of(done)
    assert (found["status"], found["exit_status"], found["error"]) == ("FAILED", 1, None)
    assert (found["requested"], found["finished"]) == (2, 1)
    failed = next(run for run in found["runs"] if run["status"] == "FAILED")
    assert failed["rank"] is None
    assert failed["error"].startswith("diverged at step 1: loss is ")
    assert failed["params"]["learning_rate"] == "1e+36"
    assert f"FAILED learning_rate=1e+36: {failed['error']} (run {failed['run_id'][:8]})" in done.stderr
    assert error_lines(done.stderr) == []


def test_json_without_a_finished_run_has_no_best(tmp_path: Path) -> None:
    done = swath(tmp_path, *JSON, "-m", *DIGITS, "learning_rate=1e36,2e36", "max_steps=5")
    assert done.returncode == 1
    found = result_of(done)
    assert (found["status"], found["finished"], found["best"], found["ranked_by"]) == (
        "FAILED",
        0,
        None,
        None,
    )
    assert "table" in found["addresses"]


def test_json_of_a_single_run(tmp_path: Path) -> None:
    done = swath(tmp_path, *JSON, *SINGLE, "print_every_steps=2")
    assert done.returncode == 0, done.stderr
    found = result_of(done)
    ((run_id, stored),) = runs_of(tmp_path).items()
    (run,) = found["runs"]
    assert (found["sweep"], found["status"], run["run_id"]) == ("single", "FINISHED", run_id)
    assert run["metrics"]["test/accuracy"] == stored.data.metrics["test/accuracy"]
    assert run_id in found["addresses"]["run"]
    lines = done.stderr.splitlines()
    assert [line.split(":")[0].split() for line in lines[:3]] == [["Step", str(step)] for step in (0, 2, 4)]
    assert f"Test accuracy {stored.data.metrics['test/accuracy']:g}" in lines
    assert lines[-1].startswith("See it: ") and found["addresses"]["run"] in lines[-1]


def test_json_of_a_resume_marks_reused_runs(tmp_path: Path) -> None:
    assert swath(tmp_path, *GRID).returncode == 0
    done = swath(tmp_path, *JSON, *GRID, "learning_rate=1e-7,2e-7,1e-6,2e-6", "resume=yes")
    assert done.returncode == 0, done.stderr
    found = result_of(done)
    reused = {run["params"]["learning_rate"]: run["reused"] for run in found["runs"]}
    assert reused == {"1e-07": True, "2e-07": True, "1e-06": True, "2e-06": False}
    assert found["best"]["tested"] == 3


def test_json_of_an_interrupted_sweep_has_its_exit_status(tmp_path: Path) -> None:
    arguments = ("-m", *DIGITS, "batch_size=300", "learning_rate=1e-6,1e-7", "max_steps=10000000")
    with running(tmp_path, *JSON, *arguments) as process:
        wait_for(lambda: has_steps(tmp_path))
        os.killpg(process.pid, signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    found = json.loads(output)
    assert process.returncode == found["exit_status"] == 128 + signal.SIGTERM
    assert (found["status"], found["error"]) == ("KILLED", None)
    assert {run["status"] for run in found["runs"]} == {"KILLED"}
    assert "Resume with: swath --format json -m data=digits" in errors


NO_ROOM = """
import swath.plotting.figures as a
def gone(*_): raise OSError('no space')
a.draw_curves = gone
"""

UNREACHABLE = """
import swath.sweeps.session as a
a.Session._sync = lambda self: '/the/folder'
"""

UNSTORED = """
import swath.sweeps.session as a
from swath.errors import SwathError
def refuse(*_): raise SwathError('MLflow: no space')
a.Session._end_sweep = refuse
"""

OTHER_BITS = """
import swath.execution.runner as a
a.Runner.digest_of_solo_run = lambda *_, **__: 'other bits'
"""


@pytest.mark.parametrize(
    ("patch", "tracking", "more", "error"),
    [
        (
            "",
            NO_ROOM,
            ("tracking.postprocess=wait",),
            "could not create all plots and models: .*no space; make them with: .*",
        ),
        (UNREACHABLE, "", (), "cannot reach the store sqlite:///mlflow.db; .* saved in /the/folder; .*"),
        (UNSTORED, "", (), "the summary run could not be stored: MLflow: no space"),
        (OTHER_BITS, "", ("lanes.verify=1",), None),
    ],
    ids=["postprocessing", "server", "summary run", "verification"],
)
def test_json_of_a_command_that_fails_after_training_agrees_with_the_process(
    tmp_path: Path, patch: str, tracking: str, more: tuple[str, ...], error: str | None
) -> None:
    done = swath(
        tmp_path, *JSON, *GRID, "max_steps=5", *more, patch=patch, SWATH_TEST_TRACKING_PATCH=tracking
    )
    assert done.returncode == 1
    found = result_of(done)
    assert (found["status"], found["exit_status"], found["finished"]) == ("FAILED", 1, 3)
    if error is None:
        assert (found["error"], error_lines(done.stderr)) == (None, [])
    else:
        assert re.fullmatch(error, found["error"])
        assert error_lines(done.stderr) == [f"swath: {found['error']}"]
    assert found["best"] is not None
    assert any(line.startswith("Best: ") for line in done.stderr.splitlines()), "the answer is still given"


def test_json_of_a_command_that_is_interrupted_while_it_draws_agrees_with_the_process(tmp_path: Path) -> None:
    interrupted = (
        "import swath.sweeps.session as a\ndef stop(*_): raise KeyboardInterrupt\n"
        "a.Session.postprocess = stop"
    )
    done = swath(tmp_path, *JSON, *GRID, "max_steps=5", "tracking.postprocess=wait", patch=interrupted)
    assert done.returncode == 130
    found = result_of(done)
    assert (found["exit_status"], found["finished"]) == (130, 3)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (("max_stepz=1",), 2),
        (("max_steps=0",), 2),
        (("data.dir=nowhere", "data=cifar10"), 2),
        (("tracking.uri=http://127.0.0.1:9",), 1),
        (("dry_run=true",), 2),
    ],
    ids=["unknown field", "bad value", "no images", "no server", "dry run"],
)
def test_command_that_does_not_train_prints_no_json(
    tmp_path: Path, more: tuple[str, ...], status: int
) -> None:
    done = swath(tmp_path, *JSON, *GRID, *more)
    assert (done.returncode, done.stdout) == (status, "")
    assert error_lines(done.stderr) != []


@pytest.mark.parametrize("option", [["--help"], ["--cfg", "job"], ["--info"], ["--hydra-help"]])
def test_json_of_a_command_that_trains_nothing_is_refused(tmp_path: Path, option: list[str]) -> None:
    done = swath(tmp_path, *JSON, *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "swath: --format json: requires a command that trains\n"
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_is_refused_in_one_line(tmp_path: Path) -> None:
    done = swath(tmp_path, "--format", "xml", *SINGLE)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("swath: --format: invalid choice: 'xml'")
    assert list(tmp_path.iterdir()) == []


def test_mistake_beside_json_is_only_on_standard_error(tmp_path: Path) -> None:
    done = swath(tmp_path, *JSON, *GRID, "max_stepz=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "swath: max_stepz=1: unknown field max_stepz; did you mean max_steps?\n"


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_quiet_sweep_prints_only_the_table(
    grid: tuple[Path, "subprocess.CompletedProcess[str]"], tmp_path: Path, option: str
) -> None:
    done = swath(tmp_path, option, *GRID)
    assert (done.returncode, done.stderr) == (0, "")
    _, usual = grid
    assert [line.split()[:4] for line in done.stdout.splitlines()] == [
        line.split()[:4] for line in usual.stdout.splitlines()
    ]


def test_quiet_single_run_prints_only_its_result(tmp_path: Path) -> None:
    done = swath(tmp_path, "--quiet", *SINGLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["Validation", "Test", "Total", "Run"]


def test_quiet_command_still_reports_mistakes_and_its_exit_status(tmp_path: Path) -> None:
    failed = swath(tmp_path, "--quiet", *FAILING)
    assert (failed.returncode, failed.stderr) == (1, "")
    assert len(failed.stdout.splitlines()) == 2
    mistake = swath(tmp_path, "--quiet", "max_stepz=1")
    assert mistake.returncode == 2
    assert mistake.stderr == "swath: max_stepz=1: unknown field max_stepz; did you mean max_steps?\n"


def test_quiet_json_prints_only_json(tmp_path: Path) -> None:
    done = swath(tmp_path, "--quiet", *JSON, *FAILING)
    assert (done.returncode, done.stderr) == (1, "")
    assert result_of(done)["status"] == "FAILED"


ENVIRONMENTS: dict[str, dict[str, str]] = {
    "NO_COLOR": {"NO_COLOR": "1"},
    "dumb": {"TERM": "dumb"},
    "narrow": {"COLUMNS": "60"},
    "FORCE_COLOR": {"FORCE_COLOR": "1"},
    "all": {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_output_in_a_file_has_no_escape_characters(
    grid: tuple[Path, "subprocess.CompletedProcess[str]"], tmp_path: Path, environment: dict[str, str]
) -> None:
    folder, usual = grid
    done = swath(tmp_path, *FAILING, **environment)
    compared = swath_compare(folder, "ad-hoc", "--format", "table", "--ui", **environment)
    listed = swath_compare(folder, "--format", "table", **environment)
    for text in (done.stdout, done.stderr, compared.stdout, compared.stderr, listed.stdout, listed.stderr):
        assert re.findall(r"[^\n -~\u00b1]", text) == []
    assert "1e-07" in done.stdout
    if "COLUMNS" in environment:
        assert max(map(len, compared.stdout.splitlines())) <= 60
    else:
        assert compared.stdout == usual.stdout


def test_character_that_an_output_cannot_show_is_replaced(
    seeds: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    folder, usual = seeds
    done = swath_compare(folder, "ad-hoc", "--format", "table", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "\u00b1" in usual.stdout
    assert done.stdout == usual.stdout.replace("\u00b1", "?")
    assert done.stderr.isascii()


def test_progress_bars_of_a_file_are_plain_lines(tmp_path: Path) -> None:
    """A real process whose standard error is a file, with a variable that asks for colours."""
    with (tmp_path / "errors").open("w+") as errors:
        done = subprocess.run(
            [str(SWATH), *FAILING],
            cwd=tmp_path,
            env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
        errors.seek(0)
        printed = errors.read()
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + printed
    assert "\r" not in done.stdout + printed
    assert printed.startswith("2 configurations; loading TensorFlow")


RATES = ",".join(f"{number}e-7" for number in range(1, 13))
MANY = ("-m", *DIGITS, "batch_size=20,50", f"learning_rate={RATES}", "max_steps=400")


@pytest.mark.parametrize("columns", [80, 40])
def test_each_bar_in_a_terminal_is_one_line_and_the_answer_is_last(tmp_path: Path, columns: int) -> None:
    status, text = run_in_terminal(SWATH, tmp_path, columns, *MANY)
    assert status == 0
    printed = segments(text)
    bars = [line for line in printed if re.search(r" of 24 done|step \d+ of 400|best so far", line)]
    assert len(bars) > 5
    assert [line for line in bars if cell_len(line) > columns] == []
    assert any("━" in line for line in bars)
    ranks = [line.split()[0] for line in printed if re.match(r" +\d+ +(= +)?(20|50) ", line)]
    assert ranks == [str(rank) for rank in range(1, 21)], "a screenful"
    words = " ".join(printed)
    sweep_id = next(iter(runs_of(tmp_path).values())).data.tags["swath.sweep_id"]
    assert re.search(rf"\.\.\. 4 more: \S*swath-compare {sweep_id}", words)
    assert re.search(r"24 of 24 runs finished in .* Best: batch_size=\d+ learning_rate=\S+ .*See it: ", words)
    assert re.search(rf"More: \S*swath-compare {sweep_id} *$", words)
    sentences = [line for line in printed if "://" not in line and line not in bars]
    after = sentences.index(next(line for line in sentences if line.startswith("Ranked by")))
    assert [line for line in sentences[after:] if len(line) > max(columns, len(str(SWATH_COMPARE)))] == []
    assert text.count(f"viewStateShareKey={sweep_id}&compareRunsMode=TABLE&workflowType=") == 1, "not broken"


def test_swath_compare_shows_a_screenful_in_a_terminal_unless_told_otherwise(tmp_path: Path) -> None:
    done = swath(tmp_path, *MANY, "max_steps=2")
    assert done.returncode == 0, done.stderr
    for limit, more in (
        ((), ["... 4 more: add --limit 24"]),
        (("--limit", "24"), []),
        (("--limit", "2"), []),
    ):
        status, text = run_in_terminal(SWATH_COMPARE, tmp_path, 80, "ad-hoc", *limit)
        assert status == 0
        printed = segments(text)
        ranks = [line.split()[0] for line in printed if re.match(r" +\d+ +(= +)?(20|50) ", line)]
        assert ranks == [str(rank) for rank in range(1, int(limit[1] if limit else 20) + 1)]
        assert [line for line in printed if line.startswith("... ")] == more
        assert [line for line in printed if len(line) > 80 and "://" not in line] == []


def test_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    status, text = run_in_terminal(SWATH, tmp_path, 80, *FAILING, TERM="dumb")
    assert status == 1
    assert "\x1b" not in text
    assert text.startswith("2 configurations; loading TensorFlow")


def test_single_run_in_a_terminal_prints_its_lines(tmp_path: Path) -> None:
    status, text = run_in_terminal(SWATH, tmp_path, 80, *SINGLE)
    assert status == 0
    printed = [line for line in segments(text) if line]
    assert any("Loading TensorFlow ..." in line for line in printed)
    (run_id,) = runs_of(tmp_path)
    assert f"Run {run_id}" in printed
    assert printed[-1].startswith("See it: ")


def test_configurations_that_are_given_twice_are_counted(tmp_path: Path) -> None:
    done = swath(tmp_path, "-m", "data=digits", "max_steps=2", "learning_rate=1e-6,1e-7,1e-6")
    assert done.returncode == 0, done.stderr
    first = done.stderr.splitlines()[0]
    assert first == "Given before: 1 of 3 configurations; they are trained each time"
