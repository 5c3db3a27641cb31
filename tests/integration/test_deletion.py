"""Deletion of sweeps: what goes, what stays, and what happens if it is interrupted."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from support.small_stores import (
    FIRST,
    SECOND,
    count_rows,
    files_in,
    make_store,
    run_ids_of,
    uri_of,
)

from swath.errors import UsageError
from swath.sweeps import plan_removal, remove
from swath.tracking import deletion
from swath.training import checkpoint_folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    store = make_store(tmp_path / "store")
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    return store


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Number of rows of a store that has had the second sweep only."""
    return count_rows(make_store(tmp_path_factory.mktemp("alone"), [SECOND]))


def delete(folder: Path, sweep_id: str = FIRST) -> None:
    remove(plan_removal(uri_of(folder), [sweep_id]), lambda count: None)


def test_every_row_and_file_of_a_sweep_is_deleted_and_no_other(folder: Path, alone: dict[str, int]) -> None:
    kept = {path for path in files_in(folder) if not any(run in path for run in run_ids_of(folder, FIRST))}
    (gone,) = {path for path in kept if path.endswith("MLmodel")} - model_files(folder, SECOND)
    mine = checkpoint_folder(FIRST)
    other = checkpoint_folder(SECOND)
    for checkpoints in (mine, other):
        checkpoints.mkdir(parents=True)
    delete(folder)
    assert count_rows(folder) == alone
    assert files_in(folder) == kept - {gone}
    assert (mine.exists(), other.exists()) == (False, True)
    delete(folder, SECOND)
    assert set(count_rows(folder).values()) == {0}
    assert files_in(folder) == set()


def model_files(folder: Path, sweep_id: str) -> set[str]:
    client = MlflowClient(uri_of(folder))
    models = [
        model
        for model in client.search_logged_models(["1"])
        if model.source_run_id in run_ids_of(folder, sweep_id)
    ]
    return {str(Path(model.artifact_location, "MLmodel").relative_to(folder)) for model in models}


STEPS = {
    "the files of the model": (deletion, "_delete_files", 1),
    "the links of the model": (deletion, "delete_links", 1),
    "the rows of the model": (SqlAlchemyStore, "_hard_delete_logged_model", 1),
    "the view": (SqlAlchemyStore, "delete_experiment_tag", 1),
    "the files of the first run": (deletion, "_delete_files", 2),
    "the links of the first run": (deletion, "delete_links", 2),
    "the rows of the first run": (SqlAlchemyStore, "_hard_delete_run", 1),
    "the files of the second run": (deletion, "_delete_files", 3),
    "the links of the second run": (deletion, "delete_links", 3),
    "the rows of the second run": (SqlAlchemyStore, "_hard_delete_run", 2),
    "the files of the summary run": (deletion, "_delete_files", 4),
    "the links of the summary run": (deletion, "delete_links", 4),
    "the rows of the summary run": (SqlAlchemyStore, "_hard_delete_run", 3),
    "the checkpoints": (shutil, "rmtree", 1),
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_deletion_is_completed_by_the_next(
    step: str, moment: str, folder: Path, alone: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint_folder(FIRST).mkdir(parents=True)
    with monkeypatch.context() as patch:
        interrupt(patch, *STEPS[step], moment)
        with pytest.raises(KeyboardInterrupt):
            delete(folder)
    delete(folder)
    assert count_rows(folder) == alone
    assert len(files_in(folder)) == 4
    assert model_files(folder, SECOND) < files_in(folder)
    assert not run_ids_of(folder, FIRST)
    assert not checkpoint_folder(FIRST).exists()


def interrupt(patch: pytest.MonkeyPatch, place: Any, name: str, number: int, moment: str) -> None:
    """Raise `KeyboardInterrupt` before or after a call with a number."""
    real, calls = getattr(place, name), iter(range(1, 100))

    def call(*args: Any, **options: Any) -> Any:
        is_last = next(calls) == number
        if is_last and moment == "before":
            raise KeyboardInterrupt
        done = real(*args, **options)
        if is_last:
            raise KeyboardInterrupt
        return done

    patch.setattr(place, name, call)


def test_runs_and_models_that_are_only_marked_as_deleted_are_included(
    folder: Path, alone: dict[str, int]
) -> None:
    """An earlier version marked them first, and readers do not see them."""
    client = MlflowClient(uri_of(folder))
    (run_id, *_) = run_ids_of(folder, FIRST)
    client.delete_run(run_id)
    for model in client.search_logged_models(["1"]):
        if model.source_run_id in run_ids_of(folder, FIRST):
            client.delete_logged_model(model.model_id)
    plan = plan_removal(uri_of(folder), [FIRST])
    assert (len(plan.runs), len(plan.models)) == (3, 1)
    delete(folder)
    assert count_rows(folder) == alone


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder that a store names and that is not swath's."""
    path = tmp_path / "victim"
    path.mkdir()
    (path / "thesis.tex").touch()
    yield path
    assert (path / "thesis.tex").exists()


@pytest.mark.parametrize(
    "name", ["{victim}", "../../victim", "..", ".", "", "aaaaaaaaaaaa/../../../victim", "A" * 12]
)
def test_an_id_that_is_no_sweep_id_deletes_nothing(name: str, victim: Path, folder: Path) -> None:
    foreign = name.format(victim=victim)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("update tags set value = ? where value = ?", (foreign, FIRST))
    rows, files = count_rows(folder), files_in(folder)
    with pytest.raises(UsageError, match="is no id of a sweep: expected 12 hexadecimal digits"):
        delete(folder, foreign)
    assert (count_rows(folder), files_in(folder)) == (rows, files)


@pytest.mark.parametrize("column", ["runs.artifact_uri", "logged_models.artifact_location"])
@pytest.mark.parametrize("location", ["{victim}", "{victim}/{id}/../artifacts", "file://{victim}"])
def test_a_location_that_is_no_folder_of_a_run_deletes_nothing(
    column: str, location: str, victim: Path, folder: Path
) -> None:
    table, name = column.split(".")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        key = "run_uuid" if table == "runs" else "model_id"
        database.execute(
            f"update {table} set {name} = replace(?, '{{id}}', {key})",
            (location.replace("{victim}", str(victim)),),
        )
    rows, files = count_rows(folder), files_in(folder)
    with pytest.raises(UsageError, match=r"nothing is deleted|was copied or moved"):
        delete(folder)
    assert (count_rows(folder), files_in(folder)) == (rows, files)
