"""Files of a store whose folder was moved, with MLflow's default location and with a chosen one."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.small_stores import FIRST, copy_store, make_store, uri_of

from swath.errors import SwathError, UsageError
from swath.tracking import check_located, open_reader, read_bytes, relocate
from swath.tracking.misplaced import misplaced

SWEEP = {"swath.sweep_id": FIRST}


@pytest.mark.parametrize("place", [None, "files", "a/deep/place", "mlruns", "models#1"])
def test_files_are_found_wherever_the_experiment_keeps_them_in_the_store(
    place: str | None, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    make_store(store, [FIRST], artifacts=None if place is None else store / place)
    reader = open_reader(uri_of(store))
    before = {run.run_id: read_bytes(run, "config.yaml") for run in reader.runs(SWEEP)}
    assert reader.moved is None
    moved = store.rename(tmp_path / "moved to 50%")
    reader = open_reader(uri_of(moved).replace("%", "%25"))
    assert {run.run_id: read_bytes(run, "config.yaml") for run in reader.runs(SWEEP)} == before
    assert reader.moved == str(moved / (place or "mlruns/1"))


def test_the_files_beside_a_copy_are_read_rather_than_those_of_the_original(tmp_path: Path) -> None:
    for name in ("default", "chosen"):
        store = tmp_path / name
        make_store(store, [FIRST], artifacts=None if name == "default" else store / "files")
        copy = copy_store(store, tmp_path / f"copy of {name}")
        for path in copy.rglob("config.yaml"):
            path.write_text("of the copy")
        runs = open_reader(uri_of(copy)).runs(SWEEP)
        assert {read_bytes(run, "config.yaml") for run in runs} == {b"of the copy"}


def test_a_store_behind_a_link_is_not_a_moved_one(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [FIRST])
    (tmp_path / "link").symlink_to(store)
    reader = open_reader(uri_of(tmp_path / "link"))
    assert all(read_bytes(run, "config.yaml") for run in reader.runs(SWEEP))
    assert reader.moved is None
    check_located(uri_of(tmp_path / "link"), ["swath"])


def test_files_that_never_were_beside_the_database_stay_where_they_are(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [FIRST], artifacts=tmp_path / "files")
    moved = store.rename(tmp_path / "moved")
    reader = open_reader(uri_of(moved))
    assert all(read_bytes(run, "config.yaml") for run in reader.runs(SWEEP))
    assert reader.moved is None


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store", [FIRST]).rename(tmp_path / "moved")


@pytest.mark.parametrize("variable", ["unset", "another", "this", "this file"])
@pytest.mark.parametrize("here", ["in the folder", "elsewhere"])
def test_the_hint_names_the_store_unless_the_command_finds_it(
    variable: str, here: str, moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {
        "another": f"sqlite:///{tmp_path}/another.db",
        "this": uri_of(moved),
        "this file": f"sqlite:///{tmp_path}/moved/../moved/mlflow.db",
    }
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if variable in chosen:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", chosen[variable])
    monkeypatch.chdir(moved if here == "in the folder" else tmp_path)
    with pytest.raises(UsageError) as raised:
        check_located(uri_of(moved), ["swath"])
    is_found = variable.startswith("this") or (variable, here) == ("unset", "in the folder")
    assert str(raised.value).endswith(
        "swath-compare --relocate" + ("" if is_found else f" --uri {uri_of(moved)}")
    )


@pytest.mark.parametrize("lock", ["immediate", "exclusive"])
def test_a_locked_store_is_reported_in_one_sentence(
    lock: str, moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("locations", "relocation"):
        monkeypatch.setattr(f"swath.tracking.{module}.WAIT_S", 0.1)
    with closing(sqlite3.connect(moved / "mlflow.db", isolation_level=None)) as other:
        other.execute(f"begin {lock}")
        started = time.monotonic()
        with pytest.raises(SwathError, match="is locked by another program; wait until that has ended"):
            relocate(uri_of(moved), write=True)
        if lock == "exclusive":  # that cannot even be read: nothing is known about its files
            with pytest.raises(SwathError, match="is locked by another program"):
                check_located(uri_of(moved), ["swath"])
        assert time.monotonic() - started < 10
    assert relocate(uri_of(moved), write=True).rows != {}


def test_a_file_that_is_no_database_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database" * 100)
    assert misplaced(tmp_path / "mlflow.db") == []
    with pytest.raises(SwathError, match=r"the store .* cannot be used: file is not a database"):
        relocate(uri_of(tmp_path), write=True)


def test_relocation_moves_chosen_locations_too(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [FIRST], artifacts=tmp_path / "store" / "files")
    (failed, *_) = (path.parents[1] for path in store.rglob("config.yaml"))
    shutil.rmtree(failed)  # as a run that stored no file
    moved = store.rename(tmp_path / "moved")
    assert relocate(uri_of(moved), write=True).rows == {"experiment": 1, "run": 3, "logged model": 1}
    assert relocate(uri_of(moved), write=True).rows == {}
    check_located(uri_of(moved), ["swath"])
