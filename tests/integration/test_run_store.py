"""`RunStore` on a real SQLite store, read with MLflow's client."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import DatasetInfo, MetricBatch, RunInfo, RunSummary, StoreAddress, SupersededError
from swath.tracking.lots import begin_lot, renew_lots
from swath.tracking.sql_reader import SqlReader
from swath.tracking.sql_steps import SqlSteps
from swath.tracking.stale_runs import close_stale
from swath.tracking.store import RunStore

START = RunInfo(
    name="batch_size=1",
    params={"batch_size": "1"},
    tags={"swath.kind": "run"},
    dataset=DatasetInfo("digits", "ab" * 32, "made by a test", {"train_images": 3}),
    config_yaml="batch_size: 1\n",
    overrides_yaml="[]\n",
)


@pytest.fixture
def address(tmp_path: Path) -> StoreAddress:
    return StoreAddress(f"sqlite:///{tmp_path / 'x.db'}", "here", str(tmp_path / "artifacts"))


@pytest.fixture
def store(address: StoreAddress) -> RunStore:
    store = RunStore()
    store.open(address)
    return store


def client(address: StoreAddress) -> MlflowClient:
    return MlflowClient(tracking_uri=address.uri)


def test_infinite_and_undefined_values_are_stored(store: RunStore, address: StoreAddress) -> None:
    run_id = store.start_run(1, START)
    store.log_steps(1, MetricBatch(5, {"train/loss": np.array([1.5, math.nan, math.inf])}))
    history = client(address).get_metric_history(run_id, "train/loss")
    assert [metric.step for metric in history] == [5, 6, 7]
    assert history[0].value == 1.5
    assert math.isnan(history[1].value)
    assert history[2].value > 1e308


def test_values_beyond_the_limit_of_one_call_are_stored(store: RunStore, address: StoreAddress) -> None:
    run_id = store.start_run(1, START)
    store.log_steps(1, MetricBatch(0, {"a": np.arange(1500.0), "b": np.arange(1500.0)}))
    for name in ("a", "b"):
        values = [metric.value for metric in client(address).get_metric_history(run_id, name)]
        assert values == list(range(1500))


def test_error_of_a_failed_run_is_a_tag(store: RunStore, address: StoreAddress) -> None:
    run_id = store.start_run(1, START)
    store.end_run(1, RunSummary("FAILED", {"runtime/train_s": 1.0}, "diverged at step 17: loss is nan"))
    run = client(address).get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["swath.error"] == "diverged at step 17: loss is nan"
    assert run.data.metrics["runtime/train_s"] == 1.0


def test_run_that_ended_since_it_was_read_is_not_closed_as_stale(
    store: RunStore, address: StoreAddress
) -> None:
    dead = {"mlflow.swath.pid": "999999", "mlflow.swath.tracker_pid": "999999"}
    run_ids = [store.start_run(key, START) for key in (1, 2)]
    for run_id in run_ids:
        for name, value in dead.items():
            client(address).set_tag(run_id, name, value)
    read = SqlReader(address.uri).runs({"swath.kind": None})
    client(address).set_terminated(run_ids[0], "FINISHED")
    closed = close_stale(address.uri, read)
    assert [run.run_id for run in closed] == run_ids[1:]
    ended, stale = (client(address).get_run(run_id) for run_id in run_ids)
    assert (ended.info.status, ended.data.tags.get("swath.error")) == ("FINISHED", None)
    assert (stale.info.status, stale.data.tags["swath.error"]) == ("KILLED", "its process has died")


@pytest.mark.parametrize("by_client", [False, True])
def test_resumed_run_is_running_with_the_tags_of_its_new_process(
    store: RunStore, address: StoreAddress, monkeypatch: pytest.MonkeyPatch, by_client: bool
) -> None:
    run_id = store.start_run(1, START)
    store.end_run(1, RunSummary("KILLED", {}, "interrupted", tags={"swath.bits": "b"}))
    assert client(address).get_run(run_id).data.tags["swath.error"] == "interrupted"
    if by_client:
        monkeypatch.setattr(store, "_sql_steps", None)
    store.start_run(2, replace(START, tags={**START.tags, "swath.lot": "3"}), run_id)
    run = client(address).get_run(run_id)
    assert run.info.status == "RUNNING"
    assert (run.data.tags["swath.resumed"], run.data.tags["swath.lot"]) == ("1", "3")
    assert not {"swath.error", "swath.bits", "swath.files"} & set(run.data.tags)
    store.end_run(2, RunSummary("KILLED", {}, "interrupted"))
    store.start_run(3, START, run_id)
    again = client(address).get_run(run_id)
    assert again.data.tags["swath.resumed"] == "2"
    assert "swath.lot" not in again.data.tags


@pytest.mark.parametrize("call", ["reopen", "close", "fail"])
def test_worker_that_is_superseded_between_two_calls_changes_nothing(
    store: RunStore, address: StoreAddress, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The epoch is checked in the transaction that writes, not before it."""
    run_id, sweep = store.start_run(1, START), store.client.create_run(store.experiment_id).info.run_id
    if call == "reopen":
        store.end_run(1, RunSummary("KILLED", {}, "interrupted"))
    renew_lots(store.client, sweep, 1)
    store.fence = begin_lot(store.client, sweep, 0, "n1")
    begin_lot(store.client, sweep, 0, "n2")
    before = client(address).get_run(run_id).to_dictionary()
    monkeypatch.setattr(RunStore, "check_fence", lambda self: None)  # the moment before
    if call == "reopen":
        with pytest.raises(SupersededError):
            store.start_run(2, START, run_id)
    elif call == "close":
        store.close()
    else:
        store._end_failed(run_id, SwathError("no room"))
    assert client(address).get_run(run_id).to_dictionary() == before


def test_run_with_missing_steps_ends_as_failed(
    store: RunStore, address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.start_run(1, START)
    with monkeypatch.context() as broken:
        broken.setattr(SqlSteps, "write", lambda *anything: 1 / 0)
        broken.setattr(store, "_sql_steps", SqlSteps(None))  # type: ignore[arg-type]
        with pytest.raises(ZeroDivisionError):
            store.log_steps(1, MetricBatch(0, {"train/loss": np.array([1.5])}))
    store.end_run(1, RunSummary("FINISHED", {"test/accuracy": 0.5}))
    run = client(address).get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["swath.error"] == "MLflow: division by zero"


def test_run_whose_outcome_cannot_be_stored_fails_and_hides_the_password(
    address: StoreAddress, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.start_run(1, START)

    def refuse(*anything: object) -> None:
        raise OSError("500 Server Error for url: https://me:secret@host/artifacts\nmore lines")

    monkeypatch.setattr("swath.tracking.store.write_artifacts", refuse)
    with pytest.raises(OSError, match="500"):
        store.end_run(1, RunSummary("FINISHED", {}))
    run = client(address).get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["swath.error"] == "MLflow: 500 Server Error for url: https://me:***@host/artifacts"


def test_ending_a_run_that_was_not_started_is_an_error(store: RunStore) -> None:
    with pytest.raises(SwathError, match="could not be started"):
        store.end_run(7, RunSummary("FINISHED", {}))


def test_close_ends_open_runs_as_killed(store: RunStore, address: StoreAddress) -> None:
    open_id, ended_id = store.start_run(1, START), store.start_run(2, START)
    store.end_run(2, RunSummary("FINISHED", {}))
    assert store.close() == 1
    assert client(address).get_run(open_id).info.status == "KILLED"
    assert client(address).get_run(ended_id).info.status == "FINISHED"


def test_second_process_uses_the_same_experiment(store: RunStore, address: StoreAddress) -> None:
    second = RunStore()
    assert second.open(address).experiment_id == store.open(address).experiment_id


def test_experiment_kind_is_model_training(store: RunStore, address: StoreAddress) -> None:
    experiment = client(address).get_experiment_by_name("here")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_deleted_experiment_is_reported_with_the_command_to_restore_it(
    store: RunStore, address: StoreAddress
) -> None:
    experiment = client(address).get_experiment_by_name("here")
    client(address).delete_experiment(experiment.experiment_id)
    with pytest.raises(SwathError, match=r"'here' has been deleted .*mlflow experiments restore"):
        RunStore().open(address)


def test_experiment_keeps_its_artifact_location(store: RunStore, address: StoreAddress) -> None:
    with pytest.raises(SwathError, match=r"keeps its artifacts in .*tracking\.experiment=NAME"):
        RunStore().open(StoreAddress(address.uri, "here", "elsewhere"))
