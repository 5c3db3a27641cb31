"""Two commands that write the same rows of a PostgreSQL at the same moment."""

import threading
import uuid

import pytest
import sqlalchemy

from services.postgres import Postgres
from swath.tracking import StoreAddress
from swath.tracking.entities import Metric
from swath.tracking.mlflow_runs import last_steps
from swath.tracking.opening import connect, prepare
from swath.tracking.sql_client import SqlClient
from swath.tracking.tables import METRICS
from swath.tracking.tag_rows import replace_tags


@pytest.fixture
def client(postgres: Postgres) -> SqlClient:
    uri = postgres.new_database(f"rows-{uuid.uuid4().hex}")
    prepare(StoreAddress(uri, "swath", None), uri)
    found = connect(uri)
    assert isinstance(found, SqlClient)
    return found


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_tags_that_two_transactions_set_are_those_of_the_last(client: SqlClient, known: bool) -> None:
    tags = {"a": "0", "b": "0"} if known else {}
    run_id = client.create_run("0", run_name="a run", tags=tags).info.run_id
    other = threading.Thread(target=client.log_batch, args=(run_id,), kwargs={"tags": {"b": "2", "a": "2"}})
    with client.engine.begin() as connection:
        replace_tags(connection, run_id, {"a": "1", "b": "1"})
        other.start()
        other.join(1)
        assert other.is_alive()  # it waits for this transaction
    other.join(10)
    assert not other.is_alive()
    found = client.get_run(run_id).data.tags
    assert (found["a"], found["b"]) == ("2", "2")


def test_many_threads_set_the_same_tags_and_metrics(client: SqlClient) -> None:
    run_id = client.create_run("0", run_name="a run").info.run_id
    faults: list[Exception] = []

    def write(number: int) -> None:
        try:
            for step in range(20):
                client.set_experiment_tag("0", "note", str(number))
                client.log_batch(run_id, [Metric("a", float(number), number, step)], {"note": str(number)})
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert {client.get_run(run_id).data.tags["note"], client.get_experiment("0").tags["note"]} <= set("0123")
    with client.engine.connect() as connection:
        rows = connection.execute(sqlalchemy.select(METRICS.c.step).where(METRICS.c.run_uuid == run_id)).all()
    assert len(rows) == 4 * 20
    assert last_steps(client.get_run(run_id)) == {"a": 19}
