"""Stores that are copied, moved, exported and emptied: nothing of another folder changes."""

import hashlib
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
from support.stores import whole_store

DIGITS = ("data=digits", "data.validation_size=300", "max_steps=10")
SWEEP = ("-m", *DIGITS, "learning_rate=1e-6,1e-5")
WITH_MODELS = {"SWATH_POSTPROCESS": "wait"}


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def sweep_id_of(folder: Path) -> str:
    client = MlflowClient(store_of(folder))
    (run,) = client.search_runs(["1"], "tags.`swath.kind` = 'sweep'")
    return str(run.data.tags["swath.sweep_id"])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep, its pictures, a logged and a registered model, and a data set of the folder."""
    folder = tmp_path_factory.mktemp("stores") / "original"
    folder.mkdir()
    done = swath(folder, *SWEEP, **WITH_MODELS)
    assert done.returncode == 0, done.stderr
    assert swath_compare(folder, "ad-hoc", "--register", "softmax").returncode == 0
    (folder / "images").mkdir()
    with sqlite3.connect(folder / "mlflow.db") as database:
        source = json.dumps({"source": str(folder / "images")})
        database.execute("update datasets set dataset_source = ?", (source,))
    return folder


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


def test_an_exported_sweep_is_a_store_of_its_own(original: Path, tmp_path: Path) -> None:
    before = digests(original)
    target = tmp_path / "for ada"
    done = swath_compare(original, "ad-hoc", "--export", str(target))
    assert done.returncode == 0, done.stderr
    assert digests(original) == before
    assert whole_store(target) == whole_store(original)
    with sqlite3.connect(target / "mlflow.db") as database:
        assert f"{original}/mlruns" not in "\n".join(database.iterdump())
    client = MlflowClient(store_of(target))
    (run, *_) = client.search_runs(["1"], IS_CONFIGURATION, order_by=["metrics.`validation/accuracy` DESC"])
    source = MlflowClient(store_of(original)).get_run(run.info.run_id)
    assert (run.info.start_time, run.data.tags) == (source.info.start_time, source.data.tags)
    assert load_model(run, target) is not None
    with mlflow_server(target, free_port(), "/health", "ui") as address:
        files = {file.path for file in MlflowClient(address).list_artifacts(run.info.run_id)}
        assert files >= {"config.yaml", "model", "weights.npz"}
    done = swath_reproduce(target, "--sweep", "ad-hoc")
    assert done.returncode == 0, done.stdout + done.stderr
    assert swath(target, *SWEEP, "resume=yes").returncode == 0


def test_a_sweep_on_a_server_is_exported_with_the_same_values(original: Path, tmp_path: Path) -> None:
    target = tmp_path / "from-server"
    with mlflow_server(original, free_port(), "/health", "ui") as address:
        done = swath_compare(tmp_path, "ad-hoc", "--export", str(target), "--uri", address)
    assert done.returncode == 0, done.stderr
    assert whole_store(target) == whole_store(original)
    run_id = json.loads(swath_compare(target, "ad-hoc", "--format", "json").stdout)[0]["run_id"]
    run = MlflowClient(store_of(target)).get_run(run_id)
    assert run.outputs is not None
    assert len(run.outputs.model_outputs) == 1
    assert load_model(run, target) is not None


def test_an_export_needs_an_empty_folder_and_leaves_nothing_half_made(original: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    done = swath_compare(original, "ad-hoc", "--export", str(tmp_path / "full"))
    assert done.returncode == 2
    assert "expected a new or an empty folder" in done.stderr
    broken = Path(shutil.copytree(original, tmp_path / "broken"))
    swath_compare(broken, "--relocate", "--yes")
    with sqlite3.connect(broken / "mlflow.db") as database:
        database.execute("update runs set artifact_uri = 'nowhere://x/y' where name like '%(learning_rate)'")
    done = swath_compare(broken, "ad-hoc", "--export", str(tmp_path / "target"))
    assert done.returncode == 1
    assert {path.name for path in tmp_path.iterdir()} == {"full", "broken"}


def test_a_deletion_removes_one_sweep_and_nothing_else(tmp_path: Path) -> None:
    kept = ("-m", *DIGITS, "learning_rate=1e-7,1e-8")
    assert swath(tmp_path, *kept).returncode == 0
    before = digests(tmp_path / "mlruns")
    sweep_id = sweep_id_of(tmp_path)
    client = MlflowClient(store_of(tmp_path))
    trash = client.create_run("1").info.run_id
    client.delete_run(trash)
    assert swath(tmp_path, *SWEEP, **WITH_MODELS).returncode == 0
    listed = json.loads(swath_compare(tmp_path, "--format", "json").stdout)
    (other,) = [row["sweep_id"] for row in listed if row["sweep_id"] != sweep_id]

    dry = swath_compare(tmp_path, other, "--delete")
    assert dry.returncode == 0
    assert "Would delete" in dry.stderr
    assert "3 runs, 1 logged model, 1 view" in dry.stderr
    assert len(json.loads(swath_compare(tmp_path, "--format", "json").stdout)) == 2

    done = swath_compare(tmp_path, other, "--delete", "--yes")
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "mlruns") == before
    assert [row["sweep_id"] for row in json.loads(swath_compare(tmp_path, "--format", "json").stdout)] == [
        sweep_id
    ]
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert other not in str(database.execute("select key from experiment_tags").fetchall())
        assert database.execute("select count(*) from logged_models").fetchone() == (0,)
        assert database.execute("select count(*) from runs where run_uuid = ?", (trash,)).fetchone() == (1,)


def test_a_registered_run_is_not_deleted(copied: Path) -> None:
    swath_compare(copied, "--relocate", "--yes")
    before = digests(copied / "mlruns")
    done = swath_compare(copied, "ad-hoc", "--delete", "--yes")
    assert done.returncode == 2
    assert "registered as models:/softmax/1" in done.stderr
    assert digests(copied / "mlruns") == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--relocate", "grid"), "--relocate applies to the whole store"),
        (("--yes",), "--yes: requires --delete or --relocate"),
        (("--delete",), "--delete: requires a sweep"),
        (("ad-hoc", "--delete", "--export", "x"), "--export applies to one sweep; remove --delete"),
        (("--all-of", "ad-hoc", "--delete"), "--delete applies to one sweep"),
        (("--relocate", "--uri", "http://127.0.0.1:9"), "expected an SQLite file"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], words: str, original: Path) -> None:
    done = swath_compare(original, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
