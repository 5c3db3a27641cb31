"""Runs that keep every step in files: segment by segment, resumed, fenced, merged, read."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from swath.errors import SwathError
from swath.tracking import (
    Curve,
    DatasetInfo,
    MetricBatch,
    OfflineFallbackStore,
    RunInfo,
    RunSummary,
    StoreAddress,
    SupersededError,
    schema,
)
from swath.tracking.lots import begin_lot, renew_lots
from swath.tracking.server_reader import ClientReader
from swath.tracking.sql_reader import SqlReader
from swath.tracking.store import RunStore

EVERY = 100
INFO = RunInfo(
    "a run",
    {"batch_size": "1"},
    {schema.KIND: "run", schema.SWEEP_ID: "0123456789ab", schema.CURVES: "file"},
    DatasetInfo("digits", "ab" * 32, "made by a test", {"train_images": 3}),
    "batch_size: 1\n",
    "[]\n",
)
ENDED = RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "b"})

LOSSES = [-float(step + 1) for step in range(300)]

Open = Callable[[], RunStore]


def steps(first: int, end: int, worker: float = 0.0) -> MetricBatch:
    """All steps of a segment; the worker shows in the values."""
    values = np.arange(first, end) + worker + 1
    return MetricBatch(first, {schema.TRAIN_ACCURACY: values / 1e6, schema.TRAIN_LOSS: -values}, 1, EVERY)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(params=["fences", "cannot fence", "files elsewhere"])
def opened(request: pytest.FixtureRequest, uri: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a store: a database, one that is written like a server, one whose files are elsewhere."""

    def open_store() -> RunStore:
        store = RunStore()
        store.open(StoreAddress(uri, "swath", None))
        if request.param == "cannot fence":
            monkeypatch.setattr(store, "_sql_steps", None)
        return store

    if request.param == "files elsewhere":
        for module in ("artifacts", "curve_writer"):
            monkeypatch.setattr(f"swath.tracking.{module}.local_path", lambda _: None)
    return open_store


@pytest.fixture
def store(uri: str) -> RunStore:
    store = RunStore()
    store.open(StoreAddress(uri, "swath", None))
    return store


def curve(uri: str, run_id: str) -> Curve:
    """The losses of a run, which every reader reads alike."""
    names = [*schema.PER_STEP, schema.TEST_ACCURACY]
    found, others = SqlReader(uri).curves([run_id], names), ClientReader(uri).curves([run_id], names)
    assert [(each.metric, each.steps.tolist(), each.values.tolist()) for each in found] == [
        (each.metric, each.steps.tolist(), each.values.tolist()) for each in others
    ]
    (losses,) = (each for each in found if each.metric == schema.TRAIN_LOSS)
    return losses


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*.parquet"))


def test_segments_are_one_curve_and_metrics_have_each_nth_step(
    opened: Open, uri: str, tmp_path: Path
) -> None:
    store = opened()
    run_id = store.start_run(1, INFO)
    for first, end in ((0, 90), (90, 100), (100, 250)):
        store.log_steps(1, steps(first, end))
        assert curve(uri, run_id).steps.tolist() == list(range(end)), "it can be watched"
        run = SqlReader(uri).run(run_id)
        assert run is not None and run.last_steps[schema.TRAIN_LOSS] == end - 1
    store.log_steps(1, MetricBatch(249, {schema.TRAIN_LOSS: np.array([-250.0])}))
    store.end_run(1, ENDED)
    found = curve(uri, run_id)
    assert (found.steps.tolist(), found.values.tolist()) == (
        list(range(250)),
        LOSSES[:250],
    )
    (rows,) = SqlReader(uri).rows([run_id], [schema.TRAIN_LOSS])
    assert rows.steps.tolist() == [0, 100, 200, 249]
    assert [each.metric for each in SqlReader(uri).curves([run_id], [schema.TEST_ACCURACY])] == [
        "test/accuracy"
    ]


def test_files_are_merged_at_the_end(store: RunStore, uri: str, tmp_path: Path) -> None:
    run_id = store.start_run(1, INFO)
    for first in (0, 90):
        store.log_steps(1, steps(first, first + 90))
    assert len(files(tmp_path)) == 2
    store.end_run(1, ENDED)
    assert files(tmp_path) == ["000000.parquet"]
    tags = store.client.get_run(run_id).data.tags
    assert sum(name.startswith(schema.CURVE_SPAN) for name in tags) == 1
    assert curve(uri, run_id).steps.tolist() == list(range(180))


def test_resumed_run_has_the_curve_of_an_unbroken_one(opened: Open, uri: str) -> None:
    store = opened()
    run_id = store.start_run(1, INFO)
    store.log_steps(1, steps(0, 150))
    store.close()
    for first in (100, 120, 180):  # its checkpoint is older than what is stored
        store = opened()
        store.start_run(1, INFO, run_id)
        store.log_steps(1, steps(first, first + 70))
        assert curve(uri, run_id).steps.tolist() == list(range(first + 70))
        store.close()
    store = opened()
    store.start_run(1, INFO, run_id)
    store.log_steps(1, steps(200, 300))
    store.end_run(1, ENDED)
    found = curve(uri, run_id)
    assert (found.steps.tolist(), found.values.tolist()) == (
        list(range(300)),
        LOSSES[:300],
    )
    (rows,) = SqlReader(uri).rows([run_id], [schema.TRAIN_LOSS])
    assert rows.steps.tolist() == [0, 100, 200]


def test_steps_of_several_runs_are_stored_whole_or_not_at_all(
    store: RunStore, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [store.start_run(key, INFO) for key in (1, 2)]
    store.log_steps_of_many([(1, steps(0, 50)), (2, steps(0, 50)), (1, steps(50, 60))])
    real = store._sql_steps
    assert real is not None

    def refuse(*_: object) -> None:
        raise OperationalError("insert ...", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(real, "write", refuse)
        with pytest.raises(OperationalError):
            store.log_steps_of_many([(1, steps(60, 80)), (2, steps(50, 80))])
    assert [len(curve(uri, run_id).steps) for run_id in ids] == [60, 50]
    store.log_steps_of_many([(1, steps(60, 90)), (2, steps(50, 90))])
    assert [curve(uri, run_id).steps.tolist() for run_id in ids] == [list(range(90))] * 2


def test_later_worker_wins_over_a_zombie(store: RunStore, uri: str) -> None:
    client = store.client
    sweep = client.create_run(store.experiment_id).info.run_id
    renew_lots(client, sweep, 1)
    store.fence = begin_lot(client, sweep, 0, "n1")
    run_id = store.start_run(1, INFO)
    store.log_steps(1, steps(0, 100, worker=0.25))
    successor = RunStore()
    successor.open(StoreAddress(uri, "swath", None))
    successor.fence = begin_lot(client, sweep, 0, "n2")
    successor.start_run(1, INFO, run_id)
    with pytest.raises(SupersededError):
        store.log_steps(1, steps(100, 200, worker=0.25))
    successor.log_steps(1, steps(50, 150, worker=0.5))
    successor.end_run(1, ENDED)
    found = curve(uri, run_id)
    assert found.steps.tolist() == list(range(150))
    assert set((-found.values % 1)[:100]) == {0.25} and set((-found.values % 1)[100:]) == {0.5}


def test_zombie_that_cannot_be_refused_counts_up_to_its_successor(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_store() -> RunStore:
        store = RunStore()
        store.open(StoreAddress(uri, "swath", None))
        monkeypatch.setattr(store, "_sql_steps", None)
        return store

    zombie = open_store()
    run_id = zombie.start_run(1, INFO)
    zombie.log_steps(1, steps(0, 100, worker=0.25))
    successor = open_store()
    successor.start_run(1, INFO, run_id)
    zombie.log_steps(1, steps(100, 130, worker=0.25))
    successor.log_steps(1, steps(100, 150, worker=0.5))
    zombie.log_steps(1, steps(130, 200, worker=0.25))
    found = curve(uri, run_id)
    assert found.steps.tolist() == list(range(150))
    assert set((-found.values % 1)[:100]) == {0.25} and set((-found.values % 1)[100:]) == {0.5}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _swap(path: Path) -> None:
    other = path.with_name("000000.parquet")
    shutil.copy(other, path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut, r"curves/.*/000001\.parquet is damaged: .+"),
        (_swap, r"curves/.*/000001\.parquet is damaged: expected steps from 50 on"),
    ],
)
def test_damaged_file_is_named(
    damage: Callable[[Path], Any], words: str, store: RunStore, uri: str, tmp_path: Path
) -> None:
    run_id = store.start_run(1, INFO)
    for first, end in ((0, 50), (50, 60), (60, 80)):
        store.log_steps(1, steps(first, end))
    (path,) = tmp_path.rglob("000001.parquet")
    damage(path)
    with pytest.raises(
        SwathError, match=rf"^run {run_id}: {words}; train it again: swath-reproduce {run_id}$"
    ):
        SqlReader(uri).curves([run_id], [schema.TRAIN_LOSS])
    with pytest.raises(SwathError, match="is damaged"):
        store.end_run(1, ENDED)
    assert store.client.get_run(run_id).info.status == "FAILED"


@pytest.mark.parametrize("damage", [_cut, _swap, Path.unlink])
def test_resumed_run_with_a_damaged_file_begins_anew(
    damage: Callable[[Path], Any], opened: Open, uri: str, tmp_path: Path
) -> None:
    store = opened()
    run_id = store.start_run(1, INFO)
    for first in (0, 50):
        store.log_steps(1, steps(first, first + 50))
    store.close()
    damage(next(tmp_path.rglob("000001.parquet")))
    store = opened()
    store.start_run(1, INFO, run_id)
    for first in (0, 40):
        store.log_steps(1, steps(first, first + 40))
    found = curve(uri, run_id)
    assert (found.steps.tolist(), found.values.tolist()) == (list(range(80)), LOSSES[:80])
    store.log_steps(1, steps(80, 120))
    store.end_run(1, ENDED)
    found = curve(uri, run_id)
    assert (found.steps.tolist(), found.values.tolist()) == (list(range(120)), LOSSES[:120])
    (rows,) = SqlReader(uri).rows([run_id], [schema.TRAIN_LOSS])
    assert rows.steps.tolist() == [0, 100]


def test_resumed_run_whose_earlier_steps_do_not_come_again_fails(
    store: RunStore, uri: str, tmp_path: Path
) -> None:
    run_id = store.start_run(1, INFO)
    store.log_steps(1, steps(0, 50))
    path = next(tmp_path.rglob("000000.parquet"))
    away = path.rename(path.with_suffix(".away"))
    store.start_run(2, INFO, run_id)
    with pytest.raises(SwathError, match=r"000000\.parquet cannot be read"):
        store.log_steps(2, steps(50, 80))
    away.rename(path)
    assert curve(uri, run_id).steps.tolist() == list(range(50)), "nothing is lost"


def test_file_that_is_gone_is_named(store: RunStore, uri: str, tmp_path: Path) -> None:
    run_id = store.start_run(1, INFO)
    store.log_steps(1, steps(0, 50))
    store.end_run(1, ENDED)
    shutil.rmtree(next(tmp_path.rglob("curves")))
    with pytest.raises(SwathError, match=rf"^run {run_id}: curves/.*parquet cannot be read"):
        SqlReader(uri).curves([run_id], [schema.TRAIN_LOSS])
    assert SqlReader(uri).curves([run_id], [schema.TEST_ACCURACY]), "other metrics need no file"


def test_reader_that_meets_the_merge_reads_again(
    store: RunStore, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.start_run(1, INFO)
    for first in (0, 50):
        store.log_steps(1, steps(first, first + 50))
    reader = SqlReader(uri)
    before = reader._in_file([run_id])
    store.end_run(1, ENDED)
    monkeypatch.setattr(reader, "_in_file", lambda _: before)
    (found,) = reader.curves([run_id], [schema.TRAIN_LOSS])
    assert found.steps.tolist() == list(range(100))


def test_run_with_files_beside_one_without(store: RunStore, uri: str) -> None:
    other = RunInfo(**{**vars(INFO), "tags": {schema.KIND: "run", schema.SWEEP_ID: "0123456789ab"}})
    ids = [store.start_run(1, INFO), store.start_run(2, other)]
    store.log_steps(1, steps(0, 130))
    store.log_steps(2, MetricBatch(0, steps(0, 130).values))
    names = schema.PER_STEP
    for found in (SqlReader(uri).curves(ids, names), ClientReader(uri).curves(ids, names)):
        assert [(each.run_id, each.metric) for each in found] == [
            (run, name) for run in ids for name in names
        ]
        for first, second in zip(found[:2], found[2:], strict=True):
            assert first.steps.tolist() == second.steps.tolist() == list(range(130))
            assert first.values.tobytes() == second.values.tobytes()


@pytest.mark.parametrize("has_begun", [True, False])
def test_offline_run_keeps_its_files_when_it_is_synced(
    has_begun: bool, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    store = OfflineFallbackStore()
    store.open(StoreAddress(uri, "swath", None))
    run_id = store.start_run(1, INFO)
    if has_begun:
        store.log_steps(1, steps(0, 150))
        with sqlite3.connect(tmp_path / "mlflow.db") as database:
            assert database.execute("select count(*) from metrics").fetchone() == (4,)
    store.unreachable = "for the test"
    for first in (150, 190) if has_begun else (0, 40, 80):
        store.log_steps(1, steps(first, first + 40))
    store.end_run(1, ENDED)
    assert store.sync().runs == 1
    store.close()
    end = 230 if has_begun else 120
    found = curve(uri, run_id)
    assert (found.steps.tolist(), found.values.tolist()) == (
        list(range(end)),
        LOSSES[:end],
    )
    (rows,) = SqlReader(uri).rows([run_id], [schema.TRAIN_LOSS])
    assert rows.steps.tolist() == ([0, 100, 200] if has_begun else [0, 100])
