"""A database that is away for a moment: calls are repeated, and nothing is stored twice."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import IntegrityError, OperationalError
from support.waiting import query_store

from swath.errors import AwayError
from swath.tracking import (
    DatasetInfo,
    Lot,
    MetricBatch,
    OfflineFallbackStore,
    RunInfo,
    RunSummary,
    StoreAddress,
    mlflow_setup,
    patience,
    repeating,
    schema,
)
from swath.tracking.mlflow_runs import now_ms
from swath.tracking.patience import be_patient
from swath.tracking.repeating import patience_s, patiently
from swath.tracking.sql_steps import SqlSteps, sql_steps, write_steps
from swath.tracking.store import RunStore


def info(name: str) -> RunInfo:
    dataset = DatasetInfo("digits", "ab" * 32, "made by a test", {"train_images": 3})
    return RunInfo(
        name,
        {"batch_size": "1"},
        {schema.KIND: "run", schema.SWEEP_ID: "0123456789ab"},
        dataset,
        "batch_size: 1\n",
        "[]\n",
    )


def lost() -> OperationalError:
    """The error of a connection that was lost."""
    return OperationalError("insert ...", {}, Exception("server closed"), connection_invalidated=True)


class Flaky:
    """A method whose first calls fail, before or after they have been carried out."""

    def __init__(self, method: Callable[..., Any], when: str, times: int = 1) -> None:
        self._method, self._when, self._left = method, when, times
        self.calls = self.failures = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        self._left -= 1
        if self._left < 0:
            return self._method(*arguments, **named)
        self.failures += 1
        if self._when == "after":
            self._method(*arguments, **named)
        raise lost()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MlflowClient]:
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert isinstance(client._tracking_client.store, SqlAlchemyStore)
    yield client


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 3])
def test_each_call_is_carried_out_once(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, when: str, times: int
) -> None:
    store = client._tracking_client.store
    made = {}
    for name in (*patience.REPEATABLE, "create_run", "delete_tag"):
        made[name] = Flaky(getattr(store, name), when, times)
        setattr(store, name, made[name])
    del store.create_run, store.delete_tag  # `be_patient` does nothing twice
    for name in ("create_run", "delete_tag"):
        monkeypatch.setattr(SqlAlchemyStore, name, staticmethod(made[name]))
    be_patient(client)
    run_id = client.create_run("0", run_name="a run", tags={"swath.kind": "run"}).info.run_id
    metrics = [Metric("loss", step / 7, now_ms(), step) for step in range(20)]
    client.log_batch(run_id, metrics=metrics, params=[Param("rate", "1")])
    client.set_tag(run_id, "mark", "x")
    client.delete_tag(run_id, "mark")
    client.set_terminated(run_id, "FINISHED")
    used = ("create_run", "delete_tag", "log_batch", "set_tag", "update_run_info")
    assert all(made[name].failures > 0 for name in used)
    assert query_store(tmp_path, "select name, status from runs") == [("a run", "FINISHED")]
    assert query_store(tmp_path, "select count(*), count(distinct step) from metrics") == [(20, 20)]
    assert query_store(tmp_path, "select key, value from params") == [("rate", "1")]
    assert query_store(tmp_path, "select count(*) from tags where key = 'mark'") == [(0,)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_steps_are_stored_once(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    steps = sql_steps(client)
    assert steps is not None
    run_id = client.create_run("0").info.run_id
    for first in (0, 10, 20):
        flaky = Flaky(SqlSteps(steps._engine).write, when)
        monkeypatch.setattr(steps, "write", flaky)
        batch = MetricBatch(first, {"loss": np.arange(10.0) + first, "accuracy": np.arange(10.0)})
        write_steps(steps, client, [(run_id, batch)])
    rows = "select key, count(*), count(distinct step), max(step) from metrics group by key order by key"
    assert query_store(tmp_path, rows) == [("accuracy", 30, 30, 29), ("loss", 30, 30, 29)]


def test_equal_runs_of_other_moments_are_not_taken_for_the_lost_one(client: MlflowClient) -> None:
    earlier = client.create_run("0", run_name="twin", tags={"a": "1"}).info.run_id
    store = client._tracking_client.store
    store.create_run = Flaky(store.create_run, "before")
    create = store.create_run
    del store.create_run
    again = patience._create_run(store, create, "0", "me", now_ms() + 5, [], "twin")
    assert again.info.run_id != earlier


def test_call_that_collided_with_another_command_is_repeated(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = client._tracking_client.store
    texts = ["(psycopg.errors.UniqueViolation) duplicate key value violates dataset_pk", "other"]

    def log_inputs(*_: object, **__: object) -> str:
        if texts:
            raise MlflowException(texts.pop(0))
        return "logged"

    store.log_inputs = log_inputs
    be_patient(client)
    with pytest.raises(MlflowException, match="other"):
        store.log_inputs("run", [])
    assert texts == []


def test_closing_does_not_wait_for_each_run_of_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", None))
    for key in range(3):
        store.start_run(key, info(f"run {key}"))
    ends = Flaky(lambda *_: None, "before", 100)
    monkeypatch.setattr(SqlSteps, "end", ends)
    monkeypatch.setattr(repeating, "patience_s", lambda: 0.0)
    assert store.close() == 3
    assert ends.calls == 1


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    flaky = Flaky(lambda: "answer", "before", 100)
    with pytest.raises(OperationalError):
        patiently(flaky)
    assert flaky.calls == 1


@pytest.mark.parametrize(("retries", "expected_s"), [("0", 0), ("1", 0), ("3", 12), ("5", 60)])
def test_patience_is_as_long_as_with_a_server(
    monkeypatch: pytest.MonkeyPatch, retries: str, expected_s: float
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries)
    assert patience_s() == expected_s == sum(2 ** (n + 1) for n in range(1, int(retries)))


def test_an_error_that_stays_is_not_repeated() -> None:
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise IntegrityError("insert ...", {}, Exception("UNIQUE constraint failed"))

    with pytest.raises(IntegrityError):
        patiently(refuse)
    assert len(calls) == 1


def test_runs_of_an_sqlite_file_that_stays_locked_go_offline_and_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setattr(mlflow_setup, "_STATEMENT", "PRAGMA busy_timeout = 200")
    store = OfflineFallbackStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", None))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # opening has raised it
    first = store.start_run(1, info("first"))
    batch = MetricBatch(0, {schema.TRAIN_LOSS: np.arange(10.0)})
    store.log_steps(1, batch)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.log_steps(1, MetricBatch(10, {schema.TRAIN_LOSS: np.arange(10.0)}))
        store.end_run(1, RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "b"}))
        assert store.unreachable is not None and "locked" in store.unreachable
        assert store.sync().folder == str(store.folder)
        other.execute("ROLLBACK")
    assert query_store(tmp_path, "select status from runs") == [("RUNNING",)]
    assert store.sync().runs == 1
    store.close()
    assert query_store(tmp_path, "select run_uuid, status from runs") == [(first, "FINISHED")]
    rows = f"select count(*), count(distinct step), max(step) from metrics where key = '{schema.TRAIN_LOSS}'"
    assert query_store(tmp_path, rows) == [(20, 20, 19)]


class NobodyAnswersError(Exception):
    """As libraries of object stores raise it."""


NobodyAnswersError.__name__ = "ConnectionError"


def ended_in_an_object_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failures: list[Exception], fence: Any = None
) -> OfflineFallbackStore:
    """A store whose place of artifacts fails so often; a run was started and ended."""
    monkeypatch.setenv("SWATH_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setattr("swath.tracking.opening.check_artifact_place", lambda *_: None)
    store = OfflineFallbackStore()
    store.open(StoreAddress(f"sqlite:///{folder}/mlflow.db", "swath", "s3://bucket/x"))
    monkeypatch.setattr(repeating, "patience_s", lambda: 1.0)
    sent = []

    class Repository:
        def log_artifacts(self, name: str) -> None:
            if failures:
                raise failures.pop(0)
            sent.append(sorted(path.name for path in Path(name).iterdir()))

    monkeypatch.setattr("swath.tracking.artifacts._repository", lambda *_: Repository())
    store.main.fence = fence
    store.start_run(1, info("a run"))
    try:
        store.end_run(1, RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "b"}))
    finally:
        store.close()
    assert sent or store.unreachable
    return store


def test_place_of_artifacts_that_is_away_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ended_in_an_object_store(tmp_path, monkeypatch, [NobodyAnswersError("x") for _ in range(3)])
    assert store.unreachable is None
    assert query_store(tmp_path, "select status from runs") == [("FINISHED",)]


def test_place_of_artifacts_that_stays_away_sends_runs_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ended_in_an_object_store(tmp_path, monkeypatch, [NobodyAnswersError("no route")] * 1000)
    assert store.unreachable is not None
    assert store.unreachable.startswith("artifacts cannot be written to s3://bucket/")
    assert query_store(tmp_path, "select status from runs") == [("RUNNING",)]  # until it is synced
    assert store.folder is not None
    assert query_store(store.folder, "select status from runs") == [("FINISHED",)]


def test_place_of_artifacts_that_stays_away_puts_a_worker_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fence:
        lot = Lot(0, 1)

        def check(self) -> None:
            pass

        def check_in(self, connection: object) -> None:
            pass

    with pytest.raises(AwayError, match="artifacts cannot be written to s3://bucket/"):
        ended_in_an_object_store(tmp_path, monkeypatch, [NobodyAnswersError("no")] * 1000, Fence())
    assert query_store(tmp_path, "select status from runs") == [("RUNNING",)]  # its successor continues it


def test_call_of_an_opened_store_waits_for_a_lock_that_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_setup, "_STATEMENT", "PRAGMA busy_timeout = 20")
    store = OfflineFallbackStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", None))
    other = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.7, other.execute, ["ROLLBACK"])
    release.start()
    run_id = store.start_run(1, info("waits"))
    release.join()
    other.close()
    assert store.unreachable is None
    assert query_store(tmp_path, "select run_uuid, name from runs") == [(run_id, "waits")]
    store.close()
