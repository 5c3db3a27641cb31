"""Steps that are copied into PostgreSQL: the rows of `log_batch`, whole or not at all, each once."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import DataError

from services.postgres import Postgres
from swath.errors import SwathError
from swath.tracking import MetricBatch, SupersededError, sql_steps
from swath.tracking.lots import begin_lot, renew_lots
from swath.tracking.mlflow_setup import RETRIES_VARIABLE
from swath.tracking.sql_steps import SqlSteps, write_steps

BATCHES = [
    MetricBatch(0, {"train/accuracy": np.array([0.1, 0.5]), "train/loss": np.array([2.5, math.nan])}),
    MetricBatch(2, {"train/accuracy": np.array([0.25]), "train/loss": np.array([math.inf])}),
    MetricBatch(3, {"train/loss": np.array([-math.inf, 1e-300, 0.1, 1 / 3, 5e-324, -0.0])}),
    MetricBatch(10, {"train/loss": np.array([1e22, math.nan])}, every=10),
]

NUMBERS = itertools.count()


@pytest.fixture
def client(postgres: Postgres) -> MlflowClient:
    return MlflowClient(tracking_uri=postgres.new_database(f"steps_{next(NUMBERS)}"))


def direct(client: MlflowClient) -> SqlSteps:
    found = sql_steps.sql_steps(client)
    assert found is not None and found._engine.dialect.driver == "psycopg"
    return found


def rows(client: MlflowClient, *, of_runs: bool) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of every table, except ids and times, which differ between runs; those of runs, or the others."""
    engine = direct(client)._engine
    found = {}
    with engine.connect() as connection:
        for table in sqlalchemy.inspect(engine).get_table_names():
            columns = [column["name"] for column in sqlalchemy.inspect(engine).get_columns(table)]
            if ("run_uuid" in columns) != of_runs:
                continue
            kept = [c for c in columns if "time" not in c and c not in ("run_uuid", "artifact_uri", "name")]
            query = sqlalchemy.select(*(sqlalchemy.column(name) for name in kept))
            query = query.select_from(sqlalchemy.table(table))
            found[table] = sorted(map(tuple, connection.execute(query)), key=repr) if kept else []
    return found


def test_rows_of_every_table_equal_those_of_log_batch(client: MlflowClient, postgres: Postgres) -> None:
    logged = MlflowClient(tracking_uri=postgres.new_database("logged"))
    run_id = client.create_run("0", run_name="a run").info.run_id
    direct(client).write([(run_id, batch) for batch in BATCHES])
    run_id = logged.create_run("0", run_name="a run").info.run_id
    for batch in BATCHES:
        metrics = [
            Metric(name, value, 1, batch.first_step + offset * batch.every)
            for name, values in batch.values.items()
            for offset, value in enumerate(values.tolist())
        ]
        logged.log_batch(run_id, metrics)
    written = rows(client, of_runs=True)
    assert len(written["metrics"]) == 14
    assert written == rows(logged, of_runs=True)
    others = rows(client, of_runs=False)
    for each in (others, expected := rows(logged, of_runs=False)):
        each.pop("experiments")  # the place of artifacts
    assert others == expected


def test_zombie_or_a_deleted_run_stores_nothing_of_any_run(client: MlflowClient) -> None:
    sweep, first, second, deleted = (client.create_run("0").info.run_id for _ in range(4))
    client.delete_run(deleted)
    renew_lots(client, sweep, 1)
    zombie, successor = (begin_lot(client, sweep, 0, worker) for worker in ("n1", "n2"))
    steps = direct(client)
    with pytest.raises(SupersededError, match="begun again by n2"):
        steps.write([(first, BATCHES[0]), (second, BATCHES[0])], zombie)
    with pytest.raises(SwathError, match=f"the run {deleted} has been deleted"):
        steps.write([(first, BATCHES[0]), (deleted, BATCHES[0])], successor)
    with pytest.raises(DataError):
        steps.write([(first, BATCHES[0]), (second, MetricBatch(0, {"x" * 300: np.zeros(1)}))], successor)
    assert rows(client, of_runs=True)["metrics"] == rows(client, of_runs=True)["latest_metrics"] == []
    steps.write([(first, BATCHES[0]), (second, BATCHES[0])], successor)
    assert len(rows(client, of_runs=True)["metrics"]) == 8


def test_tags_are_set_with_the_steps_or_not_at_all(client: MlflowClient) -> None:
    sweep, run_id = (client.create_run("0").info.run_id for _ in range(2))
    renew_lots(client, sweep, 1)
    zombie, successor = (begin_lot(client, sweep, 0, worker) for worker in ("n1", "n2"))
    steps = direct(client)
    steps.write([(run_id, BATCHES[0])], successor, {(run_id, "a"): "1", (run_id, "b"): "1"})
    steps.write([], successor, {(run_id, "a"): "2"})
    with pytest.raises(SupersededError):
        steps.write([(run_id, BATCHES[1])], zombie, {(run_id, "a"): "3"})
    tags = client.get_run(run_id).data.tags
    assert (tags["a"], tags["b"]) == ("2", "1")
    steps.end(run_id, "FINISHED", {}, {"a": None, "c": "4"}, (1_000, 0), successor)
    tags = client.get_run(run_id).data.tags
    assert ("a" in tags, tags["b"], tags["c"]) == (False, "1", "4")


@pytest.mark.parametrize("when", ["insert_steps", "set_latest"])
def test_connection_that_is_lost_in_the_transaction_stores_every_step_once(
    client: MlflowClient, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.delenv(RETRIES_VARIABLE, raising=False)  # an opened store has set it
    lost, carry_out = [], getattr(sql_steps, when)

    def lose(connection: sqlalchemy.Connection, found: Any) -> None:
        if not lost:
            lost.append(connection.exec_driver_sql("select pg_backend_pid()").scalar())
            postgres.sql(f"select pg_terminate_backend({lost[0]}, 5000)")
        carry_out(connection, found)

    monkeypatch.setattr(sql_steps, when, lose)
    runs = [client.create_run("0").info.run_id for _ in range(2)]
    write_steps(direct(client), client, [(run_id, BATCHES[0]) for run_id in runs])
    assert lost
    for run_id in runs:
        assert [metric.step for metric in client.get_metric_history(run_id, "train/loss")] == [0, 1]
