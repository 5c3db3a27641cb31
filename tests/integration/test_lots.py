"""Whoever begins a lot last may write; an earlier worker changes nothing any more."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from swath.tracking import Lot, MetricBatch, StoreAddress, SupersededError, ends_sweep, lots_of, schema
from swath.tracking.lots import Fence, add_lots, begin_lot, confirm_lots, renew_lots, settle
from swath.tracking.mlflow_setup import make_database
from swath.tracking.sql_steps import sql_steps
from swath.tracking.store import RunStore
from swath.tracking.summary_run import SummaryRun

BATCH = MetricBatch(0, {"train/loss": np.array([2.5, 1.5])})


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    make_database(uri)
    return MlflowClient(tracking_uri=uri)


@pytest.fixture
def sweep(client: MlflowClient) -> str:
    """Id of a summary run with two lots."""
    run_id: str = client.create_run("0").info.run_id
    renew_lots(client, run_id, 2)
    return run_id


def stored(client: MlflowClient, sweep: str) -> list[Lot]:
    return lots_of(client.get_run(sweep).data.tags)


def test_beginning_a_lot_raises_its_epoch_only(client: MlflowClient, sweep: str) -> None:
    assert [(lot.number, lot.epoch, lot.state) for lot in stored(client, sweep)] == [
        (0, 0, "waiting"),
        (1, 0, "waiting"),
    ]
    fences = [begin_lot(client, sweep, 1, worker) for worker in ("n1", "n2")]
    assert [fence.lot.epoch for fence in fences] == [1, 2]
    first, second = stored(client, sweep)
    assert (first.epoch, second.epoch, second.state, second.worker) == (0, 2, "running", "n2")
    assert second.begun_again == 1


def test_steps_of_an_earlier_worker_are_refused_as_a_whole(
    client: MlflowClient, sweep: str, tmp_path: Path
) -> None:
    steps, run_id = sql_steps(client), client.create_run("0").info.run_id
    assert steps is not None
    zombie = begin_lot(client, sweep, 0, "n1")
    steps.write([(run_id, BATCH)], zombie)
    successor = begin_lot(client, sweep, 0, "n2")
    later = MetricBatch(2, {"train/loss": np.array([0.5])})
    other = client.create_run("0").info.run_id
    with pytest.raises(SupersededError, match=r"lot 0 has been begun again by n2 \(epoch 2, here 1\)"):
        steps.write([(other, BATCH), (run_id, later)], zombie)
    steps.write([(run_id, later)], successor)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        found = database.execute("select step, value from metrics order by step").fetchall()
    assert found == [(0, 2.5), (1, 1.5), (2, 0.5)]


def test_end_of_an_earlier_worker_is_refused_as_a_whole(client: MlflowClient, sweep: str) -> None:
    steps, run_id = sql_steps(client), client.create_run("0").info.run_id
    assert steps is not None
    zombie, successor = (begin_lot(client, sweep, 0, worker) for worker in ("n1", "n2"))
    ends = {"test/accuracy": 0.5}, {schema.BITS: "b"}, (1_000, 0)
    steps.end(run_id, "FINISHED", *ends, successor)
    with pytest.raises(SupersededError):
        steps.end(
            run_id,
            "KILLED",
            {"test/accuracy": 0.25, "test/loss": 1.0},
            {schema.BITS: "a"},
            (2_000, 0),
            zombie,
        )
    run = client.get_run(run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 1_000)
    assert (run.data.metrics, run.data.tags[schema.BITS]) == ({"test/accuracy": 0.5}, "b")
    with pytest.raises(SupersededError):
        zombie.end("stopped")
    successor.end("done")
    assert [lot.state for lot in stored(client, sweep)] == ["done", "waiting"]


def test_end_writes_what_the_client_would(client: MlflowClient) -> None:
    steps = sql_steps(client)
    assert steps is not None
    runs = [client.create_run("0").info.run_id for _ in range(2)]
    metrics, tags = (
        {"test/accuracy": 0.5, "test/loss": float("nan")},
        {schema.BITS: "b", schema.ERROR: "x" * 9_000},
    )
    steps.end(runs[0], "FAILED", metrics, tags, (1_000, 0))
    for name, value in metrics.items():
        client.log_metric(runs[1], name, value, 1_000, 0)
    for name, value in tags.items():
        client.set_tag(runs[1], name, value)
    client.set_terminated(runs[1], "FAILED", 1_000)
    first, second = (client.get_run(run_id) for run_id in runs)
    assert repr(first.data.metrics) == repr(second.data.metrics)
    assert (first.info.status, first.info.end_time) == (second.info.status, second.info.end_time)
    hidden = {"mlflow.runName"}
    assert {k: v for k, v in first.data.tags.items() if k not in hidden} == {
        k: v for k, v in second.data.tags.items() if k not in hidden
    }
    histories = [
        [(m.value, m.step, m.timestamp) for m in client.get_metric_history(r, "test/accuracy")] for r in runs
    ]
    assert histories[0] == histories[1]


def test_lots_that_are_handed_over_again_refuse_all_earlier_workers(client: MlflowClient, sweep: str) -> None:
    zombies = [begin_lot(client, sweep, number, "n1") for number in (0, 1)]
    renew_lots(client, sweep, 1)
    (lot,) = stored(client, sweep)
    assert (lot.state, lot.begun_again) == ("waiting", 0)
    for zombie in zombies:
        with pytest.raises(SupersededError):
            zombie.check()
    assert begin_lot(client, sweep, 0, "n2").lot.begun_again == 0


def test_first_worker_settles_what_the_others_must_have(client: MlflowClient, sweep: str) -> None:
    assert settle(client, sweep, schema.LOTS_ARITHMETIC, "a") == "a"
    assert settle(client, sweep, schema.LOTS_ARITHMETIC, "b") == "a"
    assert client.get_run(sweep).data.tags[schema.LOTS_ARITHMETIC] == "a"


def test_unknown_lot_is_one_line(client: MlflowClient, sweep: str) -> None:
    with pytest.raises(Exception, match="the sweep has no lot 7"):
        begin_lot(client, sweep, 7, "n1")


def test_of_workers_that_end_the_last_lots_at_once_one_ends_the_sweep(
    client: MlflowClient, tmp_path: Path
) -> None:
    count = 4
    sweep: str = client.create_run("0").info.run_id
    renew_lots(client, sweep, count)
    fences = [begin_lot(client, sweep, number, f"n{number}") for number in range(count)]
    with ThreadPoolExecutor(count) as threads:
        ends = list(threads.map(lambda fence: fence.end("done"), fences))
    assert sorted(ends) == [False] * (count - 1) + [True]
    last = ends.index(True)
    assert client.get_run(sweep).data.tags[schema.ENDING] == str(last)
    # The last one has not ended the sweep yet. Another that is begun again leaves it alone.
    other = (last + 1) % count
    assert begin_lot(client, sweep, other, "again").end("done") is False
    assert begin_lot(client, sweep, last, "again").end("done") is True
    assert not ends_sweep(client.get_run(sweep).data.tags, other)


def test_lot_that_was_put_down_keeps_the_sweep_open(client: MlflowClient, sweep: str) -> None:
    first, second = (begin_lot(client, sweep, number, "n1") for number in (0, 1))
    assert first.end("stopped") is False
    assert second.end("done") is False
    assert begin_lot(client, sweep, 0, "n2").end("done") is True
    renew_lots(client, sweep, 1)
    assert schema.ENDING not in client.get_run(sweep).data.tags


def last_of(client: MlflowClient, sweep: str) -> Fence:
    """The worker of the last lot, which goes on with the search."""
    assert not begin_lot(client, sweep, 0, "n1").end("done")
    fence = begin_lot(client, sweep, 1, "n2")
    assert fence.end("done")
    return fence


def test_worker_that_goes_on_with_a_search_adds_lots(client: MlflowClient, sweep: str) -> None:
    fence = last_of(client, sweep)
    add_lots(fence, range(2, 4), 7, "slurm swath-7/2")
    assert [(lot.number, lot.epoch, lot.state) for lot in stored(client, sweep)][2:] == [
        (2, 7, "waiting"),
        (3, 7, "waiting"),
    ]
    assert not confirm_lots(fence, "slurm 4711/2")
    tags = client.get_run(sweep).data.tags
    assert tags[schema.ENGINE] == "slurm 4711/2"
    assert schema.ENDING not in tags


def test_worker_that_died_before_it_started_the_lots_is_followed_by_one_that_does(
    client: MlflowClient, sweep: str
) -> None:
    add_lots(last_of(client, sweep), range(2, 3), 7, "slurm swath-7/1")
    begin_lot(client, sweep, 1, "n3")  # dies, too
    assert begin_lot(client, sweep, 1, "n4").end("done")  # though lot 2 is not done
    assert not begin_lot(client, sweep, 2, "n5").end("done")  # somebody is to start its workers


def test_lots_that_are_done_before_they_are_confirmed_are_gone_on_with(
    client: MlflowClient, sweep: str
) -> None:
    fence = last_of(client, sweep)
    add_lots(fence, range(2, 3), 7, "slurm swath-7/1")
    assert not begin_lot(client, sweep, 2, "n5").end("done")
    assert confirm_lots(fence, "slurm 4711/1")
    assert client.get_run(sweep).data.tags[schema.ENDING] == "1"


def test_lots_are_added_by_the_last_worker_of_a_sweep_that_goes_on_only(
    client: MlflowClient, sweep: str
) -> None:
    fence = last_of(client, sweep)
    client.set_tag(sweep, schema.STOPPING, "1")
    with pytest.raises(SupersededError, match="is being stopped"):
        add_lots(fence, range(2, 3), 7, "slurm swath-7/1")
    client.delete_tag(sweep, schema.STOPPING)
    begin_lot(client, sweep, 1, "n3")
    for refused in (
        lambda: add_lots(fence, range(2, 3), 7, "slurm swath-7/1"),
        lambda: confirm_lots(fence, "slurm 4711/1"),
    ):
        with pytest.raises(SupersededError, match="lot 1 has been begun again by n3"):
            refused()
    assert len(stored(client, sweep)) == 2


def test_worker_that_could_not_end_the_sweep_leaves_it_to_the_next(
    client: MlflowClient, sweep: str, tmp_path: Path
) -> None:
    store = RunStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "new", None))
    client.set_tag(sweep, schema.SWEEP_ID, "0123456789ab")
    store.fence = begin_lot(client, sweep, 0, "n1")
    store.sweep = SummaryRun.of_stored(client, sweep)
    store.close("KILLED")
    assert client.get_run(sweep).info.status == "RUNNING"
