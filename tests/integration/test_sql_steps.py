"""Steps written directly to the database tables equal those written by `log_batch`."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import MetricBatch
from swath.tracking.sql_steps import sql_steps
from swath.tracking.sql_values import LARGEST_DOUBLE

BATCHES = [
    MetricBatch(0, {"train/accuracy": np.array([0.1, 0.5]), "train/loss": np.array([2.5, math.nan])}),
    MetricBatch(2, {"train/accuracy": np.array([0.25]), "train/loss": np.array([math.inf])}),
    MetricBatch(3, {"train/loss": np.array([-math.inf, 1e-300, 0.1])}),
]


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of every table, except ids and times, which differ between runs."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type='table'")]
        found = {}
        for table in tables:
            columns = [column for _, column, *_ in database.execute(f"pragma table_info({table})")]
            kept = [c for c in columns if "time" not in c and c not in ("run_uuid", "artifact_uri", "name")]
            found[table] = (
                sorted(database.execute(f"select {', '.join(kept)} from {table}"), key=repr) if kept else []
            )
    return found


def test_rows_of_every_table_equal_those_of_log_batch(tmp_path: Path) -> None:
    written, logged = tmp_path / "written", tmp_path / "logged"
    for folder in (written, logged):
        folder.mkdir()
        client = client_of(folder)
        run_id = client.create_run("0", run_name="a run").info.run_id
        direct = sql_steps(client)
        assert direct is not None
        for batch in BATCHES:
            if folder is written:
                direct.write([(run_id, batch)])
                continue
            metrics = [
                Metric(name, value, 1, batch.first_step + offset)
                for name, values in batch.values.items()
                for offset, value in enumerate(values.tolist())
            ]
            client.log_batch(run_id, metrics)
    compared = rows(written)
    assert len(compared["metrics"]) == 9
    # The artifact location of the experiment contains the folder.
    assert {k: v for k, v in compared.items() if k != "experiments"} == {
        k: v for k, v in rows(logged).items() if k != "experiments"
    }


def test_mlflow_reads_the_written_steps(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    run_id = client.create_run("0", run_name="a run").info.run_id
    direct = sql_steps(client)
    assert direct is not None
    for batch in BATCHES:
        direct.write([(run_id, batch)])
    history = client.get_metric_history(run_id, "train/loss")
    assert [metric.step for metric in history] == list(range(6))
    assert math.isnan(history[1].value)
    assert client.get_run(run_id).data.metrics == {"train/accuracy": 0.25, "train/loss": 0.1}


def test_batches_of_several_runs_are_stored_together(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    first, second = (client.create_run("0").info.run_id for _ in range(2))
    direct = sql_steps(client)
    assert direct is not None
    direct.write([(first, BATCHES[0]), (second, BATCHES[0]), (first, BATCHES[1]), (second, BATCHES[2])])
    latest = [client.get_run(run_id).data.metrics for run_id in (first, second)]
    assert latest[0] == {"train/accuracy": 0.25, "train/loss": LARGEST_DOUBLE}
    assert latest[1] == {"train/accuracy": 0.5, "train/loss": 0.1}
    assert [len(client.get_metric_history(run_id, "train/loss")) for run_id in (first, second)] == [3, 5]


def test_write_to_a_deleted_run_is_refused(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    run_id = client.create_run("0", run_name="a run").info.run_id
    client.delete_run(run_id)
    other = client.create_run("0").info.run_id
    direct = sql_steps(client)
    assert direct is not None
    with pytest.raises(SwathError, match="has been deleted"):
        direct.write([(other, BATCHES[0]), (run_id, BATCHES[0])])
    assert rows(tmp_path)["metrics"] == []


def test_untested_mlflow_version_uses_log_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.tables.mlflow_version", lambda: "3.99.0")
    assert sql_steps(client_of(tmp_path)) is None


def test_tracking_server_uses_log_batch() -> None:
    assert sql_steps(MlflowClient(tracking_uri="http://127.0.0.1:9")) is None
