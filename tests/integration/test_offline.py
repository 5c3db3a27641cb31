"""Runs that continue offline while the server is unreachable, and their sync."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.tracking import (
    DatasetInfo,
    MetricBatch,
    OfflineFallbackStore,
    RunInfo,
    RunSummary,
    StoreAddress,
    SweepDescription,
    SweepSummary,
    schema,
)
from swath.tracking.offline import offline_folders, sync_all
from swath.tracking.server_reader import ClientReader
from swath.tracking.store import RunStore

DESCRIPTION = SweepDescription(
    "sweep rates",
    "0123456789ab",
    {schema.SWEEP_ID: "0123456789ab"},
    "note",
    "experiment",
    "{}",
    {schema.MANIFEST_FILE: "{}\n"},
)
SUMMARY = SweepSummary("FINISHED", {"best/test/accuracy": 0.5}, {}, "ended", "experiment", "rank\n1\n", "{}")


PARAMS = {"batch_size": "1", "learning_rate": "1e-06"}


def info(name: str) -> RunInfo:
    dataset = DatasetInfo("digits", "ab" * 32, "made by a test", {"train_images": 3})
    tags = {schema.KIND: "run", schema.SWEEP_ID: "0123456789ab"}
    return RunInfo(name, PARAMS, tags, dataset, "batch_size: 1\n", "[]\n")


def batch(first_step: int) -> MetricBatch:
    return MetricBatch(first_step, {schema.TRAIN_LOSS: np.arange(10.0) + first_step})


class Server:
    """A store that can be made unreachable."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uri = f"sqlite:///{folder}/server.db"
        self.folder = folder
        self._patch = monkeypatch
        self.store = OfflineFallbackStore()
        self.info = self.store.open(StoreAddress(self.uri, "swath", str(folder / "artifacts")))
        self.client = MlflowClient(tracking_uri=self.uri)

    def stop(self) -> None:
        main: Any = self.store._main

        def refuse(*arguments: object) -> None:
            raise MlflowException("API request to http://host:1/api failed with exception [Errno 111]")

        for name in ("start_run", "log_steps", "end_run", "start_sweep", "end_sweep"):
            self._patch.setattr(main, name, refuse)

    def sync(self) -> tuple[int, list[str]]:
        return sync_all(self.client, self.uri, self.info.experiment_id, self.store.folder)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    return Server(tmp_path, monkeypatch)


def steps(client: MlflowClient, run_id: str) -> list[int]:
    return [metric.step for metric in client.get_metric_history(run_id, schema.TRAIN_LOSS)]


def test_offline_run_and_sweep_are_synced_with_each_step_once(server: Server) -> None:
    store, client = server.store, server.client
    sweep = store.start_sweep(DESCRIPTION)
    first = store.start_run(1, info("first"))
    store.log_steps(1, batch(0))
    server.stop()
    store.log_steps(1, batch(10))
    second = store.start_run(2, info("second"))
    store.log_steps(2, batch(0))
    for key in (1, 2):
        store.end_run(key, RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "b"}))
    store.end_sweep(SUMMARY)
    assert store.unreachable is not None and "does not answer" in store.unreachable
    assert store.folder is not None and store.folder.exists()
    assert steps(client, first) == list(range(10))
    assert server.sync() == (3, [])
    assert not store.folder.exists()
    assert steps(client, first) == list(range(20))
    (copied,) = client.search_runs(
        [server.info.experiment_id], f"tags.`{schema.OFFLINE_RUN_ID}` = '{second}'"
    )
    assert steps(client, copied.info.run_id) == list(range(10))
    for run_id in (first, copied.info.run_id, sweep):
        assert client.get_run(run_id).info.status == "FINISHED"
    for run_id in (first, copied.info.run_id):
        assert client.get_run(run_id).data.params == {**PARAMS, "log10 learning_rate": "-6"}
        read = ClientReader(server.uri).run(run_id)
        assert read is not None and read.params == PARAMS
    assert client.get_run(first).data.tags[schema.BITS] == "b"
    assert client.get_run(sweep).data.metrics == {"best/test/accuracy": 0.5}
    assert schema.SERVER_RUN_ID not in client.get_run(first).data.tags
    files = {file.path for file in client.list_artifacts(first)}
    assert {schema.CONFIG_FILE, schema.OVERRIDES_FILE} <= files
    assert server.sync() == (0, [])


def test_rejected_offline_folder_is_kept_and_reported(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    server.store.start_run(1, info("only"))
    server.store.close()

    def refuse(*arguments: object, **named: object) -> None:
        raise MlflowException("too large")

    monkeypatch.setattr(server.client, "create_run", refuse)
    copied, (line,) = server.sync()
    assert copied == 0
    assert line == f"{server.store.folder}: MLflow: too large"
    assert list(offline_folders(server.uri, server.info.experiment_id).glob("*/")) == [server.store.folder]


def test_sync_leaves_the_offline_folder_of_a_living_command_alone(server: Server) -> None:
    server.stop()
    server.store.start_run(1, info("only"))
    with sqlite3.connect(f"{server.store.folder}/mlflow.db") as database:
        dead = "update tags set value = '999999' where key like 'mlflow.swath.%pid'"
        assert database.execute(dead).rowcount == 1, "its run looks dead"

    def sync() -> tuple[int, list[str]]:
        return sync_all(server.client, server.uri, server.info.experiment_id, None)

    assert sync() == (0, [])
    assert server.store.folder is not None and server.store.folder.exists()
    server.store.close()
    assert sync() == (1, [])
    assert list(offline_folders(server.uri, server.info.experiment_id).iterdir()) == []


def test_sync_keeps_the_offline_folder_if_the_server_is_unreachable(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    server.store.start_run(1, info("only"))
    server.store.close()

    def refuse(*arguments: object, **named: object) -> None:
        raise MlflowException("API request to http://host:1/api failed with exception")

    monkeypatch.setattr(server.client, "create_run", refuse)
    with pytest.raises(MlflowException, match="API request"):
        server.sync()
    assert server.store.folder is not None and server.store.folder.exists()


def test_other_errors_do_not_create_an_offline_folder(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise MlflowException("the database is locked")

    monkeypatch.setattr(RunStore, "start_run", refuse)
    with pytest.raises(MlflowException, match="locked"):
        server.store.start_run(1, info("only"))
    assert server.store.folder is None
