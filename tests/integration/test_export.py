"""Export of sweeps: with all their files or not at all, into a folder that the new store names rightly."""

import errno
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from support.server import free_port, mlflow_server
from support.small_stores import FIRST, copy_store, count_rows, files_in, make_store, run_ids_of, uri_of

from swath.errors import SwathError, UsageError
from swath.tracking import export_runs, open_reader, relocate
from swath.tracking.export_rows import TABLES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "original", [FIRST])


@pytest.fixture
def original(made: Path, tmp_path: Path) -> Path:
    """A store whose tests may change it."""
    store = copy_store(made, tmp_path / "original")
    relocate(uri_of(store), write=True)
    return store


def export(store: Path, target: Path) -> None:
    runs = open_reader(uri_of(store)).runs({"swath.sweep_id": FIRST})
    export_runs(uri_of(store), runs, target)


def all_rows(folder: Path) -> dict[str, list[Sequence[Any]]]:
    """The rows of runs, without locations, ids of experiments and what a server does not tell."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        found = {}
        for table in (table.__tablename__ for table in TABLES):
            columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
            left_out = ("artifact", "experiment_id", "uuid", "source_id", "source_type", "deleted_time")
            named = [
                name for name in columns if name == "run_uuid" or not any(part in name for part in left_out)
            ]
            found[table] = sorted(database.execute(f"select {', '.join(named)} from {table}"), key=str)
        return found


def test_an_export_has_all_rows_and_files(original: Path, tmp_path: Path) -> None:
    export(original, tmp_path / "new")
    assert count_rows(tmp_path / "new") == count_rows(original)
    assert all_rows(tmp_path / "new") == all_rows(original)
    assert files_in(tmp_path / "new") == files_in(original)
    assert len(files_in(original)) == 4


def test_an_export_from_a_server_has_the_same_rows(original: Path, tmp_path: Path) -> None:
    with mlflow_server(original, free_port(), "/health", "ui") as address:
        runs = open_reader(address).runs({"swath.sweep_id": FIRST})
        export_runs(address, runs, tmp_path / "new")
    assert all_rows(original)["logged_model_metrics"] != []
    assert all_rows(tmp_path / "new") == all_rows(original)
    assert files_in(tmp_path / "new") == files_in(original)


def test_a_moved_store_is_not_exported_without_its_files(original: Path, tmp_path: Path) -> None:
    moved = original.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=f"its own in {moved}/mlruns/1; correct it with: .*--relocate"):
        export(moved, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
    relocate(uri_of(moved), write=True)
    export(moved, tmp_path / "new")
    assert files_in(tmp_path / "new") == files_in(moved)


def test_a_copied_store_is_not_exported_with_the_files_of_the_original(
    original: Path, tmp_path: Path
) -> None:
    copy = copy_store(original, tmp_path / "copy")
    for path in (copy / "mlruns").rglob("config.yaml"):
        path.write_text("of the copy")
    with pytest.raises(UsageError, match="was copied or moved"):
        export(copy, tmp_path / "new")
    relocate(uri_of(copy), write=True)
    export(copy, tmp_path / "new")
    found = {path.read_text() for path in (tmp_path / "new" / "mlruns").rglob("config.yaml")}
    assert found == {"of the copy"}


def test_files_that_a_copy_shares_with_the_original_are_exported(tmp_path: Path) -> None:
    store = make_store(tmp_path / "first", [FIRST], artifacts=tmp_path / "artifacts")
    export(copy_store(store, tmp_path / "copy"), tmp_path / "new")
    assert len(files_in(tmp_path / "new")) == 4


@pytest.mark.parametrize("what", ["a run", "a model"])
def test_missing_files_are_named(what: str, original: Path, tmp_path: Path) -> None:
    chosen = "*/*/artifacts/config.yaml" if what == "a run" else "*/models/*/artifacts/MLmodel"
    (path, *_) = (original / "mlruns").glob(chosen)
    shutil.rmtree(path.parent)
    with pytest.raises(SwathError, match=f"the files of {path.parts[-3]} are missing: .* {path.parent}"):
        export(original, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_that_failed_before_it_stored_a_file_is_exported(original: Path, tmp_path: Path) -> None:
    (run_id, *_) = run_ids_of(original, FIRST)
    MlflowClient(uri_of(original)).set_terminated(run_id, "FAILED")
    shutil.rmtree(original / "mlruns" / "1" / run_id)
    export(original, tmp_path / "new")
    assert count_rows(tmp_path / "new") == count_rows(original)


@pytest.mark.parametrize("typed", ["../new", "inside/../../new", "link/new", "empty-link"])
def test_the_new_store_records_where_it_really_is(
    typed: str, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, real = tmp_path / "here", tmp_path / "real"
    for folder in (here / "inside", real):
        folder.mkdir(parents=True)
    (here / "link").symlink_to(tmp_path)
    (here / "empty-link").symlink_to(real)
    monkeypatch.chdir(here)
    export(original, Path(typed))
    target = real if typed == "empty-link" else tmp_path / "new"
    assert (here / "empty-link").is_symlink()
    with closing(sqlite3.connect(target / "mlflow.db")) as database:
        locations = database.execute("select artifact_uri from runs").fetchall()
        (home,) = database.execute(
            "select value from experiment_tags where key = 'swath.database'"
        ).fetchone()
    assert {Path(location).parents[1] for (location,) in locations} == {target / "mlruns" / "1"}
    assert home == str(target / "mlflow.db")
    assert relocate(uri_of(target), write=False).rows == {}


@pytest.mark.parametrize("typed", [".", "../here", "../link"])
def test_the_working_folder_is_not_replaced(
    typed: str, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(
        UsageError, match=f"--export {typed}: expected another folder than the working folder"
    ):
        export(original, Path(typed))
    assert Path.cwd().is_dir()
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("typed", ["/proc/nope/x", "file/x", "circle/x"])
def test_a_folder_that_cannot_be_made_is_a_mistake_in_one_line(
    typed: str, original: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(UsageError, match=r"--export .*: the folder cannot be made") as raised:
        export(original, tmp_path / typed)
    assert "\n" not in str(raised.value)


def test_a_full_disk_is_one_line_and_leaves_nothing(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", target)

    monkeypatch.setattr(
        "swath.tracking.export.shutil.copytree",
        lambda source, target, real=shutil.copytree: real(source, target, copy_function=full),
    )
    with pytest.raises(
        SwathError, match=r"cannot be copied \(.*No space left on device.*\); nothing was exp"
    ):
        export(original, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"original"}
