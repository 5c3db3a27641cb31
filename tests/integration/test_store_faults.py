"""Runs whose steps could not all be stored."""

from pathlib import Path

import numpy as np
import pytest
from support.small import run_config
from support.waiting import query_store

from swath.config import stored_config
from swath.errors import SwathError
from swath.tracking import DatasetInfo, MetricBatch, RunInfo, RunSummary, StoreAddress
from swath.tracking.store import RunStore


def start() -> RunInfo:
    note = DatasetInfo("digits", "d" * 64, "made by a test", {"train_images": 1})
    tags = {"swath.kind": "run", "swath.sweep_id": "id"}
    return RunInfo("a run", {"batch_size": "10"}, tags, note, stored_config(run_config()), "[]\n")


def metric_batch(first: int) -> MetricBatch:
    values = np.linspace(0, 1, 10)
    return MetricBatch(first, {"train/accuracy": values, "train/loss": values})


def test_steps_after_missing_ones_are_not_stored_until_the_run_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore()
    store.open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", str(tmp_path / "artifacts")))
    run_id = store.start_run(1, start())
    store.log_steps(1, metric_batch(0))
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise OSError("disk full")

        patch.setattr(type(store._sql_steps), "write", refuse)
        with pytest.raises(OSError, match="disk full"):
            store.log_steps(1, metric_batch(10))
    with pytest.raises(SwathError, match="disk full"):
        store.log_steps(1, metric_batch(20))
    store.end_run(1, RunSummary("FINISHED", {"test/accuracy": 0.5}, tags={"swath.bits": "b"}))
    assert query_store(tmp_path, "select max(step), count(*) from metrics where key = 'train/loss'") == [
        (9, 10)
    ]
    assert query_store(tmp_path, "select status from runs") == [("FAILED",)]
    assert query_store(tmp_path, "select count(*) from tags where key = 'swath.bits'") == [(0,)]
    assert query_store(tmp_path, "select count(*) from metrics where key = 'test/accuracy'") == [(0,)]
    again = store.start_run(2, start(), run_id)
    assert again == run_id
    for first in (0, 10, 20):
        store.log_steps(2, metric_batch(first))
    store.end_run(2, RunSummary("FINISHED", {"test/accuracy": 0.5}, tags={"swath.bits": "b"}))
    assert query_store(
        tmp_path, "select count(*), count(distinct step), max(step) from metrics where key = 'train/loss'"
    ) == [(30, 30, 29)]
    assert query_store(tmp_path, "select status from runs") == [("FINISHED",)]
    assert query_store(tmp_path, "select count(*) from tags where key = 'swath.error'") == [(0,)]
