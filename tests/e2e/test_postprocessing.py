"""Postprocessing: plots and models, in the background or before the command exits."""

import re
import time
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from support.command import error_lines, swath, swath_compare
from support.pages import Page

SWEEP = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "learning_rate=1e-7,1e-6",
    "batch_size=20,50",
    "max_steps=30",
)
PLOTS = {
    f"sweep-{name}.png"
    for name in ("accuracy", "heat_map", "learning_curves", "loss_curves", "weights", "confusion")
}
REPORT = "report.html"
TABLES = {"sweep-manifest.json", "sweep-ranking.csv"}
TIMEOUT_S = 120


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs_of(folder: Path, kind: str) -> list[Run]:
    return list(client_of(folder).search_runs(["1"], f"tags.`swath.kind` = '{kind}'"))


def files_of(folder: Path, run: Run) -> set[str]:
    return {file.path for file in client_of(folder).list_artifacts(run.info.run_id)}


def models_of(folder: Path) -> set[str]:
    return {model.source_run_id for model in client_of(folder).search_logged_models(["1"])}


def test_postprocess_wait_creates_plots_and_model_before_the_command_exits(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, "tracking.postprocess=wait")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    answer = next(number for number, line in enumerate(lines) if line.startswith("Best: "))
    assert lines[answer - 1] == "Added to the store: plots and models.", "the answer comes last"
    (summary,) = runs_of(tmp_path, "sweep")
    assert files_of(tmp_path, summary) == {*PLOTS, REPORT, *TABLES}
    assert summary.data.tags["swath.afterwards"] == "done"
    best_id = summary.data.tags["swath.best_run_id"]
    assert models_of(tmp_path) == {best_id}
    report = Page(Path(client_of(tmp_path).download_artifacts(summary.info.run_id, REPORT)).read_text())
    assert report.of("pre")[0].startswith("swath -m data=digits")
    assert report.of("p")[0].startswith(f"Sweep ad-hoc {summary.data.tags['swath.sweep_id']} of ")
    assert any(line.startswith("Best: ") and line.endswith(f"run {best_id[:8]}") for line in report.of("p"))
    assert (len(report.tables[0].rows), len(report.values("img", "src"))) == (4, len(PLOTS))
    again = swath(tmp_path, *SWEEP, "tracking.postprocess=wait", "resume=true")
    assert again.returncode == 0, again.stderr
    assert len(client_of(tmp_path).search_logged_models(["1"])) == 1


def test_runs_have_a_colour_for_each_value_of_the_field_that_explains_most(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, "tracking.postprocess=wait", "tracking.log_models=none")
    assert done.returncode == 0, done.stderr
    compared = swath_compare(tmp_path, "ad-hoc").stderr
    shares = re.search(r"^Variance in validation/accuracy: (\w+) \d+%, ", compared, flags=re.MULTILINE)
    assert shares is not None, compared
    colours: dict[str, set[str]] = {}
    for run in runs_of(tmp_path, "run"):
        colours.setdefault(run.data.params[shares[1]], set()).add(run.data.tags["mlflow.runColor"])
    assert [len(of_value) for of_value in colours.values()] == [1, 1]
    (first,), (second,) = colours.values()
    assert first != second
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in (first, second))


def test_postprocess_background_creates_plots_and_model_after_the_command_exits(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, SWATH_POSTPROCESS="background")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    answer = next(number for number, line in enumerate(lines) if line.startswith("Best: "))
    assert lines[answer - 1].startswith("Creating plots and models in the background"), (
        "the answer comes last"
    )
    (summary,) = runs_of(tmp_path, "sweep")
    assert files_of(tmp_path, summary) == TABLES
    deadline = time.monotonic() + TIMEOUT_S
    while "swath.afterwards" not in runs_of(tmp_path, "sweep")[0].data.tags:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert files_of(tmp_path, summary) == {*PLOTS, REPORT, *TABLES}
    assert models_of(tmp_path) == {summary.data.tags["swath.best_run_id"]}


@pytest.mark.parametrize(("models", "count"), [("all", 4), ("none", 0)])
def test_log_models_selects_all_runs_or_none(tmp_path: Path, models: str, count: int) -> None:
    done = swath(tmp_path, *SWEEP, f"tracking.log_models={models}", SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    assert len(models_of(tmp_path)) == count
    assert models_of(tmp_path) <= {run.info.run_id for run in runs_of(tmp_path, "run")}


def test_single_run_has_a_model_and_no_plots(tmp_path: Path) -> None:
    done = swath(tmp_path, "data=digits", "max_steps=30", SWATH_POSTPROCESS="wait")
    added, see_it = done.stderr.splitlines()
    assert added == "Added to the store: models."
    assert see_it.startswith("See it: ")
    assert done.stdout.splitlines()[-1].startswith("Run ")
    assert runs_of(tmp_path, "sweep") == []
    (run,) = runs_of(tmp_path, "run")
    assert models_of(tmp_path) == {run.info.run_id}
    assert run.data.tags["swath.afterwards"] == "done"


def test_postprocessing_failure_is_reported_and_stored(tmp_path: Path) -> None:
    fault = (
        "import swath.plotting.figures as a\ndef gone(*_): raise OSError('no space')\na.draw_curves = gone"
    )
    done = swath(tmp_path, *SWEEP, SWATH_POSTPROCESS="wait", SWATH_TEST_TRACKING_PATCH=fault)
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "could not create all plots and models" in line
    assert "no space" in line
    assert any(text.startswith("Best: ") for text in done.stderr.splitlines()), "the answer is still given"
    (summary,) = runs_of(tmp_path, "sweep")
    assert summary.info.status == "FINISHED"
    assert "no space" in summary.data.tags["swath.afterwards"]
    assert [run.info.status for run in runs_of(tmp_path, "run")] == ["FINISHED"] * 4


def test_invalid_postprocess_variable_is_refused_before_training(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, SWATH_POSTPROCESS="later")
    assert done.returncode == 2
    assert done.stderr == "swath: SWATH_POSTPROCESS=later: expected one of background, wait, off\n"
    assert list(tmp_path.iterdir()) == []
