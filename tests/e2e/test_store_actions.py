"""Sweeps that are exported and deleted, and mistakes in these commands."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath, swath_compare, swath_reproduce
from support.models import load_model, store_of
from support.server import free_port, mlflow_server
from support.stores import whole_store
from support.trained_stores import DIGITS, SWEEP, WITH_MODELS, digests, make_trained_store, sweep_id_of


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained_store(tmp_path_factory.mktemp("stores") / "original")


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copied"))


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
        (("ad-hoc", "--export", "/proc/nope/x"), "--export /proc/nope/x: the folder cannot be made"),
        (("ad-hoc", "--export", "."), "expected another folder than the working folder"),
        (("--all-of", "ad-hoc", "--delete"), "--delete applies to one sweep"),
        (("--relocate", "--uri", "http://127.0.0.1:9"), "expected an SQLite file"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], words: str, original: Path) -> None:
    done = swath_compare(original, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
