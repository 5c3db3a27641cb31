"""Times of steps where a store cannot fence: a step that is sent again is the same row."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from support.waiting import query_store

from swath.tracking import DatasetInfo, MetricBatch, OfflineFallbackStore, RunInfo, StoreAddress, schema
from swath.tracking.client import mlflow_client
from swath.tracking.mlflow_runs import LARGEST_BATCH, log_in_batches
from swath.tracking.store import RunStore

INFO = RunInfo(
    "a run",
    {"batch_size": "1"},
    {schema.KIND: "run", schema.SWEEP_ID: "0123456789ab"},
    DatasetInfo("digits", "ab" * 32, "made by a test", {"train_images": 3}),
    "batch_size: 1\n",
    "[]\n",
)

ROWS = "select step, timestamp - start_time from metrics join runs using (run_uuid) order by step, timestamp"

Open = Callable[[], RunStore]


def batch(first_step: int, every: int = 1) -> MetricBatch:
    return MetricBatch(first_step, {schema.TRAIN_LOSS: np.array([0.5, np.nan, np.inf])}, every)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the store as one that cannot fence: MLflow's own calls, as through a server."""

    def open_store(*, fences: bool = False) -> RunStore:
        store = RunStore()
        store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", None))
        if not fences:
            monkeypatch.setattr(store, "_sql_steps", None)
        return store

    return open_store


def test_steps_of_two_writers_are_stored_once(opened: Open, tmp_path: Path) -> None:
    store = opened()
    run_id = store.start_run(1, INFO)
    zombie = opened()
    zombie.start_run(1, INFO, run_id)
    for first_step in (0, 3):
        store.log_steps(1, batch(first_step))
        zombie.log_steps(1, batch(first_step))
    store.log_steps(1, batch(10, every=10))
    assert query_store(tmp_path, ROWS) == [(step, step) for step in (0, 1, 2, 3, 4, 5, 10, 20, 30)]


def test_resumed_run_goes_on_from_the_same_start(opened: Open, tmp_path: Path) -> None:
    run_id = opened().start_run(1, INFO)
    for first_step in (0, 3):
        store = opened()
        store.start_run(1, INFO, run_id)
        store.log_steps(1, batch(first_step))
    assert store.client.get_run(run_id).data.tags[schema.STEP_TIMES] == "start + step"
    assert query_store(tmp_path, ROWS) == [(step, step) for step in range(6)]


def test_run_of_an_earlier_version_keeps_its_times(opened: Open, tmp_path: Path) -> None:
    store = opened()
    run_id = store.client.create_run(store.experiment_id, start_time=1_000).info.run_id
    log_in_batches(store.client, run_id, [batch(0)])
    store.start_run(1, INFO, run_id)
    store.log_steps(1, batch(3))
    assert schema.STEP_TIMES not in store.client.get_run(run_id).data.tags
    found = query_store(tmp_path, ROWS)
    assert [step for step, _ in found] == list(range(6))
    assert min(after_ms for _, after_ms in found) > 10**9, "the time of storing"


def test_store_that_fences_has_the_times_of_storing(opened: Callable[..., RunStore], tmp_path: Path) -> None:
    store = opened(fences=True)
    run_id = store.start_run(1, INFO)
    store.log_steps(1, batch(1_000_000_000))
    assert schema.STEP_TIMES not in store.client.get_run(run_id).data.tags
    assert all(after_ms < 10**8 for _, after_ms in query_store(tmp_path, ROWS))


def test_offline_steps_get_the_times_of_their_run(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    run_id = opened().start_run(1, INFO)
    store = OfflineFallbackStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", None))
    store.start_run(1, INFO, run_id)
    store.unreachable = "for the test"
    store.log_steps(1, batch(0))
    assert store.sync().runs == 1
    store.close()
    assert query_store(tmp_path, ROWS) == [(step, step) for step in range(3)]


def test_tags_come_with_the_last_values_of_a_full_batch(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    run_id = store.start_run(1, INFO)
    sent: list[tuple[int, int]] = []

    def request(
        run_id: str, metrics: Sequence[object] = (), params: object = (), tags: Sequence[object] = ()
    ) -> None:
        sent.append((len(metrics), len(tags)))

    client = mlflow_client(store.client)
    monkeypatch.setattr(client._tracking_client.store, "log_batch", request)
    full = MetricBatch(0, {schema.TRAIN_LOSS: np.zeros(LARGEST_BATCH)})
    log_in_batches(client, run_id, [full], 0, {"a": "1"})
    assert sent == [(LARGEST_BATCH - 1, 0), (1, 1)]
