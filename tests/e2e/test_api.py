"""The Python face: sweeps, runs and reproductions that are started from Python."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import swath, swath_compare
from support.stores import whole_store

import swath as face
from swath.errors import ConfigError, SwathError, UsageError
from swath.execution import trial_run
from swath.tracking import RunSummary

GRID = {"learning_rate": [1e-7, 1e-6], "max_steps": [5, 10]}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sweep_is_the_one_that_the_command_trains(here: Path, tmp_path_factory: Any) -> None:
    found = face.sweep({"data.validation_size": 300}, data="digits", progress=False, **GRID)
    other = tmp_path_factory.mktemp("command")
    values = ("learning_rate=1e-7,1e-6", "max_steps=5,10")
    assert swath(other, "-m", "data.validation_size=300", "data=digits", *values).returncode == 0
    assert whole_store(here) == whole_store(other)
    assert len(found.runs) == 4
    assert found.runs["status"].eq("FINISHED").all()
    done = swath_compare(here, found.sweep_id)
    for line in found.answer():
        assert line in done.stderr
    assert found.best["run_id"] == done.stdout.splitlines()[1].split(",")[1]
    assert repr(found).splitlines() == found.answer()


def test_a_named_sweep_is_changed_by_fields(here: Path) -> None:
    found = face.sweep("quickstart", {"max_steps": [2, 3]}, batch_size=20, seed=[0, 1], progress=False)
    runs = found.runs
    assert sorted(set(runs["max_steps"])) == [2, 3]
    assert set(runs["batch_size"]) == {20}
    assert sorted(set(runs["seed"])) == [0, 1]
    assert set(runs["sweep"]) == {"quickstart"}


def test_a_search_is_the_one_that_the_command_starts(here: Path, tmp_path_factory: Any) -> None:
    space = face.interval(1e-8, 1e-4, log=True)
    found = face.search(
        learning_rate=space, batch_size=[20, 50], data="digits", max_steps=50, trials=8, progress=False
    )
    other = tmp_path_factory.mktemp("command")
    typed = (
        "learning_rate=tag(log,interval(1e-08,0.0001))",
        "batch_size=20,50",
        "data=digits",
        "max_steps=50",
    )
    assert swath(other, "-m", *typed, "search.trials=8").returncode == 0
    assert whole_store(here) == whole_store(other)
    assert sorted(set(found.runs["max_steps"])) == [5, 20, 50]
    assert found.best["max_steps"] == 50


def test_results_are_frames_figures_and_html(here: Path) -> None:
    found = face.sweep(data="digits", learning_rate=[1e-7, 1e-6, 1e-5], max_steps=10, progress=False)
    assert list(found.rank()["rank"]) == [1, 2, 3]
    assert found.rank(where="learning_rate < 1e-6")["learning_rate"].tolist() == [1e-7]
    curves = found.curves("train/loss")
    assert len(curves) == 30
    assert set(curves["metric"]) == {"train/loss"}
    assert found.plot()._repr_png_().startswith(b"\x89PNG")
    assert found.plot("loss_curves").axes[0].get_xlabel() == "step"
    html = found._repr_html_()
    assert "Best: learning_rate=" in html
    assert html.count("<tr") == 4
    assert "<th>95% interval</th>" in html, "the ranking is that of the report"
    with pytest.raises(UsageError, match="expected one of accuracy"):
        found.plot("nothing")


def test_a_single_run_can_be_reproduced(here: Path) -> None:
    found = face.run(data="digits", max_steps=5, progress=False)
    assert len(found.runs) == 1
    verdict = face.reproduce(found.best["run_id"][:8])
    assert (verdict.kind, verdict.exit_status) == ("identical", 0)


def test_a_failed_run_is_a_result(here: Path) -> None:
    found = face.sweep(data="digits", learning_rate=[1e-6, 1e37], max_steps=20, progress=False)
    assert sorted(found.runs["status"]) == ["FAILED", "FINISHED"]
    assert found.best["learning_rate"] == 1e-6
    none = face.run(data="digits", learning_rate=1e37, max_steps=20, progress=False)
    assert math.isnan(none.rank()["rank"].astype(float).iloc[0])
    assert "no run has finished" in repr(none)
    assert "no run has finished" in none._repr_html_()
    with pytest.raises(SwathError, match="has finished"):
        none.best  # noqa: B018
    with pytest.raises(SwathError, match="nothing to plot"):
        none.plot()


NOT_FINITE = {
    "search.first_steps": 1,
    "search.confirm": 0,
    "learning_rate": [1e29, 2e29, 1e35, 1e36],
    "batch_size": 50,
    "data": "digits",
    "max_steps": 8,
}
"""A search of four trials; two have a loss of NaN at its first rung."""


NO_SPACE = "No space left on device"


def test_a_search_whose_trials_fail_has_a_result(here: Path) -> None:
    found = face.search(NOT_FINITE, progress=False)
    assert sorted(found.runs["status"]) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert found.best["max_steps"] == 8


def test_a_search_that_a_failure_has_stopped_says_so_and_goes_on(here: Path) -> None:
    stopped = r'the search has not ended: .* failed, and on_failure=stop; .* resume="yes"'
    with pytest.raises(SwathError, match=stopped):
        face.search(NOT_FINITE, on_failure="stop", progress=False)
    assert face.search(NOT_FINITE, resume="yes", progress=False).best["max_steps"] == 8


def test_a_search_with_an_end_that_was_not_stored_says_so_and_goes_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, failed = trial_run.TrialRun._end, []

    def end_or_fail(run: Any, status: Any, metrics: Any, *more: Any, **named: Any) -> Any:
        if named.get("why", more[-1] if more else "").startswith("stopped at 1:") and not failed:
            failed.append(1)
            run._logger.end(RunSummary("FAILED", {}, NO_SPACE))
            return run._result("FAILED", {}, NO_SPACE, is_transient=True)
        return end(run, status, metrics, *more, **named)

    monkeypatch.setattr(trial_run.TrialRun, "_end", end_or_fail)
    with pytest.raises(SwathError, match=f"not ended: {NO_SPACE}"):
        face.search(NOT_FINITE, progress=False)
    found = face.search(NOT_FINITE, resume="yes", progress=False)
    assert sorted(found.runs["status"]) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (lambda: face.sweep("grids"), "expected one of article"),
        (lambda: face.sweep(learning_rat=[1e-6]), "did you mean learning_rate"),
        (lambda: face.run(batch_size=[1, 2]), "expected one value"),
        (lambda: face.sweep(batch_size=["x", "it's"]), "batch_size=x: expected a whole number"),
        (lambda: face.sweep({"data.dir": ["a", "b"]}), "expected one value for the whole sweep"),
        (lambda: face.sweep("quikstart"), "did you mean quickstart"),
        (lambda: face.sweep("quickstart", executor="slurm"), "executor=slurm: expected threads"),
        (lambda: face.sweep("quickstart", {"executor.time": 9}), "executor=threads does not know it"),
        (lambda: face.run(data="digits", dry_run=True), "dry_run: not supported in Python"),
        (lambda: face.run(batch_size=np.array([1, 2])), r"batch_size=\[1, 2\]: expected one value; a sweep"),
        (lambda: face.sweep(learning_rate=None), "learning_rate=None: expected a number"),
        (lambda: face.sweep(learning_rate=[]), "learning_rate=\\[\\]: expected a number"),
        (lambda: face.sweep(learning_rate=object()), "expected a number, a text"),
        (lambda: face.sweep(learning_rate=[[1e-6], [1e-5]]), "expected a number, a text"),
        (lambda: face.sweep(learning_rate=b"1e-6"), "expected a number, a text"),
        (lambda: face.sweep("quickstart", ["seed=1"]), "changes=.*: expected fields and values"),
        (lambda: face.sweep({"data": {"validation_siz": 3}}), "did you mean data.validation_size"),
    ],
)
def test_mistakes_start_nothing(start: Any, words: str, here: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        start()
    assert not list(here.iterdir())


def test_values_of_numpy_paths_and_nested_fields(here: Path) -> None:
    found = face.sweep(
        data={"name": "digits", "validation_size": np.int64(100)},
        learning_rate=np.logspace(-7, -6, 2),
        max_steps=(steps for steps in (2, np.int32(3))),
        tracking={"uri": f"sqlite:///{here}/own.db"},
        progress=False,
    )
    runs = face.load_sweep(found.sweep_id, uri=here / "own.db")
    assert sorted(set(runs["learning_rate"])) == [1e-7, 1e-6]
    assert sorted(set(runs["max_steps"])) == [2, 3]
    assert set(runs["data.validation_size"]) == {100}


def test_stores_are_named_by_address_or_path_and_curves_by_known_metrics(here: Path) -> None:
    found = face.run(data="digits", max_steps=3, progress=False)
    assert len(face.load_sweep(found.sweep_id, uri="mlflow.db")) == 1
    with pytest.raises(UsageError, match="'train/los': no run has values of it; those of every step: train"):
        found.curves("train/los")


def test_each_sweep_goes_to_its_own_store(here: Path) -> None:
    before = dict(os.environ)
    for address in (f"sqlite:///{here}/first.db", None):
        uri = {} if address is None else {"tracking.uri": address}
        face.run({"data": "digits", "max_steps": 2, "tracking.postprocess": "wait", **uri}, progress=False)
    assert {path.name for path in here.glob("*.db")} == {"first.db", "mlflow.db"}
    assert os.environ.get("MLFLOW_TRACKING_URI") == before.get("MLFLOW_TRACKING_URI")


def test_lanes_are_verified_and_unmade_plots_are_reported(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swath.sweeps.session import Session

    checked: list[int] = []
    monkeypatch.setattr(Session, "check", lambda self, count: checked.append(count) or ())
    monkeypatch.setattr(Session, "postprocess", lambda *_: "disk full")
    grid = {"data": "digits", "max_steps": 2, "learning_rate": [1e-7, 1e-6]}
    with pytest.raises(SwathError, match="could not create all plots and models: disk full"):
        face.sweep({**grid, "lanes.verify": 2, "tracking.postprocess": "wait"}, progress=False)
    assert checked == [2]


def test_programs_are_traced_without_a_warning(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for batch_size in range(20, 28):
        face.run(data="digits", max_steps=2, batch_size=batch_size, progress=False)
    assert "retracing" not in capfd.readouterr().err


def test_the_module_shows_exactly_its_face() -> None:
    names = ["SweepResult", "__version__", "compare", "load_curves", "load_sweep", "load_weights"]
    names += ["interval", "reproduce", "run", "search", "sweep"]
    code = "import swath; swath.compare; print(dir(swath)); help(swath)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, text = done.stdout.split("\n", 1)
    assert shown == str(sorted(names))
    for name in ("compare(", "load_curves(", "interval(", "reproduce(", "run(", "search(", "sweep("):
        assert f"\n    {name}" in text


def test_importing_the_module_loads_neither_tensorflow_nor_mlflow() -> None:
    code = "import swath, sys; print([m for m in ('tensorflow', 'mlflow', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_progress_is_a_bar_on_standard_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face.sweep(data="digits", learning_rate=[1e-7, 1e-6], max_steps=5)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "2 of 2 done" in shown.err
    assert "best so far: test" in shown.err
