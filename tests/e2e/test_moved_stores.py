"""Stores that are copied and moved: nothing of another folder changes."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath, swath_compare, swath_reproduce
from support.models import load_model, store_of, use_store
from support.server import free_port, mlflow_server
from support.trained_stores import DIGITS, SWEEP, WITH_MODELS, digests, make_trained_store


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained_store(tmp_path_factory.mktemp("stores") / "original")


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copied"))


WRITERS = {
    "a run": lambda folder: swath(folder, *DIGITS),
    "a dry run": lambda folder: swath(folder, *DIGITS, "dry_run=true"),
    "a sweep": lambda folder: swath(folder, *SWEEP, "seed=7"),
    "a resume": lambda folder: swath(folder, *SWEEP, "resume=yes"),
    "a model": lambda folder: swath_compare(folder, "ad-hoc", "--register", "other"),
    "a deletion": lambda folder: swath_compare(folder, "ad-hoc", "--delete", "--yes"),
    "a reproduction": lambda folder: swath_reproduce(folder, "--sweep", "ad-hoc", "--record"),
}


@pytest.mark.parametrize("what", WRITERS)
def test_a_copied_store_refuses_to_write(what: str, original: Path, copied: Path) -> None:
    before, before_copy = digests(original), digests(copied)
    done = WRITERS[what](copied)
    assert done.returncode == 2, done.stdout + done.stderr
    if what == "a model":
        assert (done.stdout, len(done.stderr.splitlines())) == ("", 1), "refused before anything is ranked"
    line = done.stderr.strip().splitlines()[-1]
    assert str(original / "mlruns") in line
    assert str(copied / "mlruns") in line
    assert "swath-compare --relocate" in line
    assert digests(original) == before
    assert digests(copied / "mlruns") == {
        name.removeprefix("mlruns/"): value
        for name, value in before_copy.items()
        if name.startswith("mlruns/")
    }


def test_a_moved_store_does_not_bring_the_old_folder_back(copied: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    assert swath_compare(copied, "--relocate", "--yes").returncode == 0  # the copy is a store of its own
    copied.rename(moved)
    done = swath(moved, *DIGITS)
    assert done.returncode == 2
    assert not copied.exists()
    assert swath_compare(moved, "--relocate", "--yes").returncode == 0
    done = swath(moved, *DIGITS)
    assert done.returncode == 0, done.stderr
    assert not copied.exists()


def test_a_dry_relocation_changes_nothing_and_counts_every_kind_of_row(copied: Path) -> None:
    before = digests(copied)
    done = swath_compare(copied, "--relocate")
    assert done.returncode == 0
    assert digests(copied) == before
    models = "1 logged model, 1 model version, 1 model version's file"
    numbers = f"2 experiments, 3 runs, {models}, 1 data set source"
    assert f"Would relocate: {numbers}. Nothing was changed; to relocate them, add --yes" in done.stderr


def test_a_relocated_copy_works_with_mlflow_and_leaves_the_original_alone(
    original: Path, copied: Path
) -> None:
    before = digests(original)
    assert swath_compare(copied, "--relocate", "--yes").returncode == 0
    with sqlite3.connect(copied / "mlflow.db") as database:
        text = "\n".join(database.iterdump())
    assert str(original) not in text

    client = MlflowClient(store_of(copied))
    (run, *_) = client.search_runs(["1"], IS_CONFIGURATION, order_by=["metrics.`validation/accuracy` DESC"])
    assert len(load_model(run, copied).predict(np.zeros([1, 32, 32, 3], np.uint8))) == 1
    with use_store(copied):
        assert mlflow.pyfunc.load_model("models:/softmax@champion") is not None
    with mlflow_server(copied, free_port(), "/health", "ui") as address:
        server = MlflowClient(address)
        assert {file.path for file in server.list_artifacts(run.info.run_id)} >= {
            "config.yaml",
            "weights.npz",
        }

    done = swath(copied, *SWEEP, "seed=3")
    assert done.returncode == 0, done.stderr
    assert swath(copied, *SWEEP, "resume=yes", **WITH_MODELS).returncode == 0
    client.delete_experiment("1")
    gc = subprocess.run(
        [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store_of(copied)],
        env={"MLFLOW_TRACKING_URI": store_of(copied), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert gc.returncode == 0, gc.stderr
    assert not list((copied / "mlruns" / "1").glob("*/artifacts/config.yaml"))
    assert digests(original) == before


def test_the_database_alone_is_refused_until_its_files_are_beside_it(original: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(original / "mlflow.db", alone)
    done = swath(alone, *DIGITS)
    assert done.returncode == 2
    assert f"copy that folder to {alone}/mlruns/1" in done.stderr
    for arguments in ((), ("--yes",)):
        done = swath_compare(alone, "--relocate", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert "stays as it is" in done.stderr
        assert done.stderr.splitlines()[-1] == "swath-compare: --relocate: nothing can be corrected"
    shutil.copytree(original / "mlruns", alone / "mlruns")
    assert swath_compare(alone, "--relocate", "--yes").returncode == 0
    assert swath(alone, *DIGITS).returncode == 0
    again = swath_compare(alone, "--relocate", "--yes")
    assert (again.returncode, "Nothing to relocate" in again.stderr) == (0, True)


def test_a_copy_does_not_share_chosen_artifact_locations(tmp_path: Path) -> None:
    first, artifacts = tmp_path / "first", tmp_path / "artifacts"
    first.mkdir()
    chosen = f"tracking.artifact_location={artifacts}"
    assert swath(first, *DIGITS, chosen).returncode == 0
    assert swath(first, *DIGITS, "seed=1").returncode == 0  # chosen once
    copy = Path(shutil.copytree(first, tmp_path / "copy"))
    before = digests(artifacts)
    done = swath(copy, *DIGITS)
    assert done.returncode == 2
    assert "tracking.experiment=NAME" in done.stderr
    assert digests(artifacts) == before
    assert swath(copy, *DIGITS, "tracking.experiment=mine").returncode == 0
    first.rename(tmp_path / "gone")
    assert swath(copy, *DIGITS).returncode == 0  # the only store that has these files


def test_files_are_beside_the_database_wherever_a_command_starts(tmp_path: Path) -> None:
    here, store = tmp_path / "here", tmp_path / "a b#c"
    here.mkdir()
    store.mkdir()
    for folder, variables in ((here, {"MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlflow.db"}), (store, {})):
        done = swath(folder, *DIGITS, **variables)
        assert done.returncode == 0, done.stderr
    assert not (here / "mlruns").exists()
    assert len(list((store / "mlruns" / "1").glob("*/artifacts/config.yaml"))) == 2
    assert {path.name for path in tmp_path.iterdir()} == {here.name, store.name}


@pytest.mark.parametrize("name", ["run%20s", "my runs", "run#2", "a?b", "Größe", "it's"])
def test_any_name_of_a_folder_is_taken_literally(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    done = swath(folder, *DIGITS)
    assert done.returncode == 0, done.stderr
    assert len(list((folder / "mlruns" / "1").glob("*/artifacts/config.yaml"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    (row,) = json.loads(swath_compare(folder, "single", "--format", "json").stdout)
    assert swath_reproduce(folder, row["run_id"]).returncode == 0
    moved = folder.rename(tmp_path / f"new {name}")
    done = swath(moved, *DIGITS, "seed=1")
    assert done.returncode == 2
    assert swath_compare(moved, "--relocate", "--yes").returncode == 0
    assert swath_reproduce(moved, row["run_id"]).returncode == 0
    assert swath_compare(moved, "single", "--export", str(tmp_path / f"ex {name}")).returncode == 0
    exported = swath_reproduce(tmp_path / f"ex {name}", row["run_id"])
    assert exported.returncode == 0, exported.stderr


def test_a_moved_store_with_a_chosen_place_for_files_keeps_its_significance_tests(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    assert swath(store, *SWEEP, f"tracking.artifact_location={store}/files").returncode == 0
    before = swath_compare(store, "ad-hoc", "--format", "json")
    assert '"p_vs_best": 0.' in before.stdout
    moved = store.rename(tmp_path / "moved")
    after = swath_compare(moved, "ad-hoc", "--format", "json")
    assert (after.stdout, after.stderr) == (before.stdout, before.stderr)
