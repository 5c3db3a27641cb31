"""What follows a command: pictures and models, without anybody waiting."""

import time
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from support.command import swath

SWEEP = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "learning_rate=1e-7,1e-6",
    "batch_size=20,50",
    "max_steps=30",
)
PICTURES = {"accuracy.png", "heat_map.png", "learning_curves.png", "weights.png", "confusion.png"}
WRITTEN = {"manifest.json", "ranking.csv"}
PATIENCE_S = 120


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs_of(folder: Path, kind: str) -> list[Run]:
    return list(client_of(folder).search_runs(["1"], f"tags.`swath.kind` = '{kind}'"))


def files_of(folder: Path, run: Run) -> set[str]:
    return {file.path for file in client_of(folder).list_artifacts(run.info.run_id)}


def models_of(folder: Path) -> set[str]:
    return {model.source_run_id for model in client_of(folder).search_logged_models(["1"])}


def test_pictures_and_the_model_are_there_when_a_command_waits_for_them(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, "tracking.postprocess=wait")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Added to the store: plots and models."
    (own,) = runs_of(tmp_path, "sweep")
    assert files_of(tmp_path, own) == {*PICTURES, *WRITTEN}
    assert own.data.tags["swath.afterwards"] == "done"
    assert models_of(tmp_path) == {own.data.tags["swath.best_run_id"]}
    again = swath(tmp_path, *SWEEP, "tracking.postprocess=wait", "resume=true")
    assert again.returncode == 0, again.stderr
    assert len(client_of(tmp_path).search_logged_models(["1"])) == 1


def test_nobody_waits_for_them_by_default(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, SWATH_POSTPROCESS="background")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Creating plots")
    (own,) = runs_of(tmp_path, "sweep")
    assert files_of(tmp_path, own) == WRITTEN
    until = time.monotonic() + PATIENCE_S
    while "swath.afterwards" not in runs_of(tmp_path, "sweep")[0].data.tags:
        assert time.monotonic() < until
        time.sleep(0.5)
    assert files_of(tmp_path, own) == {*PICTURES, *WRITTEN}
    assert models_of(tmp_path) == {own.data.tags["swath.best_run_id"]}


@pytest.mark.parametrize(("models", "count"), [("all", 4), ("none", 0)])
def test_models_of_all_runs_or_of_none(tmp_path: Path, models: str, count: int) -> None:
    done = swath(tmp_path, *SWEEP, f"tracking.log_models={models}", SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    assert len(models_of(tmp_path)) == count
    assert models_of(tmp_path) <= {run.info.run_id for run in runs_of(tmp_path, "run")}


def test_single_run_has_its_model_and_no_pictures_of_a_sweep(tmp_path: Path) -> None:
    done = swath(tmp_path, "data=digits", "max_steps=30", SWATH_POSTPROCESS="wait")
    assert done.stdout.splitlines()[-1] == "Added to the store: models."
    assert runs_of(tmp_path, "sweep") == []
    (run,) = runs_of(tmp_path, "run")
    assert models_of(tmp_path) == {run.info.run_id}
    assert run.data.tags["swath.afterwards"] == "done"


def test_what_goes_wrong_there_is_said_and_stored_and_the_runs_stay(tmp_path: Path) -> None:
    broken = (
        "import swath.plotting.figures as a\ndef gone(*_): raise OSError('no space')\na.draw_curves = gone"
    )
    done = swath(tmp_path, *SWEEP, patch=broken, SWATH_POSTPROCESS="wait")
    assert done.returncode == 1
    assert "could not create all plots and models" in done.stderr
    assert "no space" in done.stderr
    (own,) = runs_of(tmp_path, "sweep")
    assert own.info.status == "FINISHED"
    assert "no space" in own.data.tags["swath.afterwards"]
    assert [run.info.status for run in runs_of(tmp_path, "run")] == ["FINISHED"] * 4


def test_unknown_word_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, SWATH_POSTPROCESS="later")
    assert done.returncode == 2
    assert done.stderr == "swath: SWATH_POSTPROCESS=later: expected one of background, wait, off\n"
    assert list(tmp_path.iterdir()) == []
