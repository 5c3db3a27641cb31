"""Steps of several runs that wait together: one transaction, and an error of one run stays its own."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError
from support.waiting import query_store

from swath.errors import SwathError
from swath.tracking import (
    DatasetInfo,
    MetricBatch,
    OfflineFallbackStore,
    RunCalls,
    RunInfo,
    RunSummary,
    StoreAddress,
    SupersededError,
    TrackingService,
    schema,
)
from swath.tracking.client import mlflow_client
from swath.tracking.lots import begin_lot, renew_lots
from swath.tracking.rpc import Call, Outcome
from swath.tracking.run_calls import CONNECTIONS
from swath.tracking.sql_steps import SqlSteps

INFO = RunInfo(
    "a run",
    {"batch_size": "1"},
    {schema.KIND: "run", schema.SWEEP_ID: "0123456789ab"},
    DatasetInfo("digits", "ab" * 32, "made by a test", {"train_images": 3}),
    "batch_size: 1\n",
    "[]\n",
)

BEGIN = TrackingService.start_run.__qualname__
STEPS = TrackingService.log_steps.__qualname__
END = TrackingService.end_run.__qualname__

STEPS_OF = "select count(*), count(distinct step) from metrics where run_uuid = "


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineFallbackStore:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    store = OfflineFallbackStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", None))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # opening has raised it
    return store


class Counting:
    """`SqlSteps.write` with a list of the number of batches of each call."""

    def __init__(self, store: OfflineFallbackStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        write = SqlSteps.write

        def count(steps: SqlSteps, batches: Any, *more: Any) -> None:
            self.sizes.append(len(batches))
            write(steps, batches, *more)

        monkeypatch.setattr(SqlSteps, "write", count)


def log(store: OfflineFallbackStore, keys: list[int], first_step: int = 0) -> list[Outcome]:
    """The outcomes of steps of several runs that wait together."""

    def one(call: Call) -> Outcome:
        try:
            return store.log_steps(*call.arguments), None
        except Exception as error:
            return None, error

    batch = MetricBatch(first_step, {schema.TRAIN_LOSS: np.arange(10.0)})
    return RunCalls(store).carry_out([Call(STEPS, (key, batch)) for key in keys], one)


def test_steps_of_all_runs_are_one_transaction(
    store: OfflineFallbackStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [store.start_run(key, INFO) for key in range(3)]
    counting = Counting(store, monkeypatch)
    assert log(store, [0, 1, 2]) == log(store, [0, 1, 2], 10) == [(None, None)] * 3
    assert counting.sizes == [3, 3]
    for run_id in runs:
        assert query_store(tmp_path, f"{STEPS_OF}'{run_id}'") == [(20, 20)]


def test_deleted_run_does_not_take_the_steps_of_the_others(
    store: OfflineFallbackStore, tmp_path: Path
) -> None:
    runs = [store.start_run(key, INFO) for key in range(3)]
    mlflow_client(store.main.client).delete_run(runs[1])
    for first_step in (0, 10):
        outcomes = log(store, [0, 1, 2, 9], first_step)
        assert [error is None for _, error in outcomes] == [True, False, True, False]
        assert "has been deleted in the store" in str(outcomes[1][1])
        assert "could not be started" in str(outcomes[3][1])
    for run_id, expected in zip(runs, (20, 0, 20), strict=True):
        assert query_store(tmp_path, f"{STEPS_OF}'{run_id}'") == [(expected, expected)]


def test_zombie_is_refused_once_for_all_its_runs(
    store: OfflineFallbackStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = store.main.client
    sweep = client.create_run("0").info.run_id
    renew_lots(client, sweep, 1)
    store.main.fence = begin_lot(client, sweep, 0, "n1")
    for key in range(3):
        store.start_run(key, INFO)
    begin_lot(client, sweep, 0, "n2")
    counting = Counting(store, monkeypatch)
    assert all(isinstance(error, SupersededError) for _, error in log(store, [0, 1, 2]))
    assert counting.sizes == [3]
    assert query_store(tmp_path, "select count(*) from metrics") == [(0,)]
    with pytest.raises(SwathError, match="begun again by n2"):  # the gap is not hidden
        store.log_steps(1, MetricBatch(10, {schema.TRAIN_LOSS: np.zeros(1)}))


def test_runs_go_offline_together_and_are_synced(
    store: OfflineFallbackStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [store.start_run(key, INFO) for key in range(3)]
    assert log(store, [0, 1, 2]) == [(None, None)] * 3
    attempts = []

    def refuse(*_: object) -> None:
        attempts.append(1)
        raise OperationalError("insert ...", {}, Exception("closed"), connection_invalidated=True)

    steps = store.main._sql_steps
    monkeypatch.setattr(steps, "write", refuse)
    assert log(store, [0, 1, 2], 10) == [(None, None)] * 3
    assert len(attempts) == 1, "all have waited together"
    assert store.unreachable is not None
    assert log(store, [0, 1, 2], 20) == [(None, None)] * 3
    for key in range(3):
        store.end_run(key, RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "b"}))
    assert store.sync().runs == 3
    store.close()
    for run_id in runs:
        rows = f"{STEPS_OF}'{run_id}' and key = '{schema.TRAIN_LOSS}'"
        assert query_store(tmp_path, rows) == [(30, 30)]


def test_runs_of_a_server_are_sent_side_by_side_and_each_in_its_order() -> None:
    class Main:
        stores_together = False

    class Server:
        uri = "http://127.0.0.1:9"
        main = Main()

        def log_steps_of_many(self, calls: list[tuple[int, int]]) -> None:
            carried_out.extend((key, STEPS) for key, _ in calls)
            together.append(calls)
            if calls[0][0] == 5:
                raise SwathError("run 5")

    together: list[list[tuple[int, int]]] = []
    everybody = threading.Barrier(CONNECTIONS, timeout=20)
    carried_out: list[tuple[int, str]] = []

    def one(call: Call) -> Outcome:
        key = call.arguments[0]
        if call.method == BEGIN and key < CONNECTIONS:
            everybody.wait()  # breaks unless as many are here at a time
        carried_out.append((key, call.method))
        error = SwathError(f"run {key}") if key == 3 and call.method == END else None
        return (None, error) if error else (f"{call.method} {key}", None)

    keys = range(CONNECTIONS + 3)
    calls = [Call(method, (key, n)) for n, method in enumerate((BEGIN, STEPS, STEPS, END)) for key in keys]
    outcomes = RunCalls(cast("OfflineFallbackStore", Server())).carry_out(calls, one)
    for key in keys:
        assert [method for of, method in carried_out if of == key] == [BEGIN, STEPS, STEPS, END]
    for call, (result, error) in zip(calls, outcomes, strict=True):
        key = call.arguments[0]
        if (key, call.method) in ((3, END), (5, STEPS)):
            assert (result, str(error)) == (None, f"run {key}")
        else:
            assert (result, error) == (None if call.method == STEPS else f"{call.method} {key}", None)
    assert sorted(together) == [[(key, 1), (key, 2)] for key in keys]


def test_steps_between_ends_keep_their_order(store: OfflineFallbackStore, tmp_path: Path) -> None:
    services: dict[str, Callable[..., Any]] = {
        BEGIN: store.start_run,
        STEPS: store.log_steps,
        END: store.end_run,
    }

    def one(call: Call) -> Outcome:
        return services[call.method](*call.arguments), None

    batch = MetricBatch(0, {schema.TRAIN_LOSS: np.arange(10.0)})
    ended = RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "b"})
    calls = [Call(BEGIN, (key, INFO)) for key in range(3)]
    for key in range(3):
        calls += [Call(STEPS, (key, batch)), Call(END, (key, ended))]
    outcomes = RunCalls(store).carry_out(calls, one)
    assert all(error is None for _, error in outcomes)
    assert query_store(tmp_path, "select distinct status from runs") == [("FINISHED",)]
    rows = f"select count(*) from metrics where key = '{schema.TRAIN_LOSS}'"
    assert query_store(tmp_path, rows) == [(30,)]
