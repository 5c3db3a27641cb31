"""Models that are filled in have the files and rows of those that MLflow makes."""

import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from swath.tracking import StoreAddress, StoredRun, mlflow_runs, model_template
from swath.tracking.artifacts import write_files
from swath.tracking.logged_models import is_model_logged, log_model
from swath.tracking.mlflow_setup import make_database, sqlite_uri
from swath.tracking.model_files import ModelFiles, is_loggable
from swath.tracking.models import save_model
from swath.tracking.opening import connect
from swath.tracking.sql_client import SqlClient

CHANGING = re.compile(rb"(?m)^(model_id|model_uuid|run_id|utc_time_created): .*$")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))


def files(seed: int, classes: int = 3) -> ModelFiles:
    from swath.models import MODELS

    random = np.random.default_rng(seed)
    names = tuple(f"class {number}" for number in range(classes))
    predictor = MODELS["softmax_regression"].predictor
    assert predictor is not None
    arrays = {
        "weights": random.normal(size=(4, classes)).astype(np.float32),
        "biases": np.zeros(classes, np.float32),
        "shift": np.zeros(4, np.float32),
        "class_names": np.array(names),
        "image_shape": np.array([1, 2, 2]),
    }
    return ModelFiles(arrays, names, (1, 2, 2), Path(predictor), ("mlflow==1", "numpy==2"))


def content(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found[name] = CHANGING.sub(rb"\1", path.read_bytes()) if name == "MLmodel" else path.read_bytes()
    return found


@pytest.mark.parametrize("seeds", [(1,), (1, 2)], ids=["the first", "one of the same kind"])
def test_files_are_those_of_mlflow(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    for seed in seeds:
        model_template.fill_in(files(seed), tmp_path / f"filled {seed}", "1" * 32, "m-" + "2" * 32)
    last = seeds[-1]
    save_model(files(last), tmp_path / "saved", "1" * 32, "m-" + "2" * 32)
    filled = tmp_path / f"filled {last}"
    made = content(tmp_path / "saved")
    assert content(filled) == made
    assert made.keys() >= {"MLmodel", "conda.yaml", "artifacts/weights.npz"}
    lines = (filled / "MLmodel").read_text().splitlines()
    assert f"run_id: {'1' * 32}" in lines and f"model_id: m-{'2' * 32}" in lines


def test_models_of_another_kind_are_made_anew(tmp_path: Path) -> None:
    for classes in (3, 4, 3):
        model_template.fill_in(files(1, classes), tmp_path / f"{classes}", "1" * 32, "m-1")
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 2
    assert "class 3" in (tmp_path / "4" / "MLmodel").read_text()
    assert "class 3" not in (tmp_path / "3" / "MLmodel").read_text()


def test_files_of_a_project_in_the_working_folder_stay_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("uv.lock", "pyproject.toml", ".python-version"):
        Path(name).write_text('version = 1\n[project]\nname = "another"\n')
    model_template.fill_in(files(1), tmp_path / "filled", "1" * 32, "m-1")
    assert not {"uv.lock", "pyproject.toml", ".python-version"} & content(tmp_path / "filled").keys()


def test_rights_of_the_place_stay_as_they_are(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    for folder, rights in ((source, 0o700), (source / "sub", 0o700), (place, 0o755)):
        folder.mkdir()
        folder.chmod(rights)
    (source / "sub" / "file").write_text("a")
    write_files(connected(tmp_path / "mlflow.db"), str(place), source)
    assert (place / "sub" / "file").read_text() == "a"
    assert place.stat().st_mode & 0o777 == 0o755
    assert (place / "sub").stat().st_mode & 0o055 == 0o055


def connected(database: Path) -> SqlClient:
    uri = sqlite_uri(database)
    make_database(uri)
    found = connect(uri)
    assert isinstance(found, SqlClient)
    return found


def test_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file"))
    model_template.fill_in(files(1), tmp_path / "filled", "1" * 32, "m-1")
    assert (tmp_path / "filled" / "MLmodel").exists()


def rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(folder / "mlflow.db") as store:
        found = {}
        for table in ("logged_models", "logged_model_params", "logged_model_tags", "inputs"):
            columns = [row[1] for row in store.execute(f"pragma table_info({table})")]
            lines = store.execute(f"select {', '.join(sorted(columns))} from {table}").fetchall()
            changing = re.compile(rf"(m-)?[0-9a-f]{{32}}|\b1[6-9]\d{{11}}\b|{re.escape(str(folder))}")
            found[table] = sorted(tuple(changing.sub("*", str(value)) for value in line) for line in lines)
    return found


def test_rows_are_those_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from swath.tracking import logged_models, models

    for module in (logged_models, models):
        monkeypatch.setattr(module, "model_files", lambda run: files(1))
    found = {}
    for kind in ("directly", "by MLflow"):
        folder = tmp_path / kind
        folder.mkdir()
        uri = sqlite_uri(folder / "mlflow.db")
        direct = connected(folder / "mlflow.db")
        experiment = mlflow_runs.experiment_id(direct, StoreAddress(uri, "swath", None))
        info = direct.create_run(experiment, run_name="a run").info
        run = StoredRun(
            info.run_id, experiment, "a run", "FINISHED", 0, None, info.artifact_uri, {"a": "1", "b": ""}
        )
        assert is_loggable(run)
        client = direct if kind == "directly" else MlflowClient(tracking_uri=uri)
        assert not is_model_logged(run, client)
        location = log_model(run, client)
        assert is_model_logged(run, direct) and is_model_logged(run, MlflowClient(tracking_uri=uri))
        logged = content(Path(info.artifact_uri) / "model")
        assert logged == content(Path(location))
        found[kind] = rows(folder), logged.keys()
    assert found["directly"] == found["by MLflow"]
