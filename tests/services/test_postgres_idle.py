"""A process that is frozen in a transaction keeps nobody out of PostgreSQL for long."""

import time

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import DBAPIError

from services.postgres import Postgres
from swath.tracking import databases
from swath.tracking.databases import check_database, is_passing
from swath.tracking.lots import begin_lot, engine_of, renew_lots


def test_transaction_of_a_frozen_worker_does_not_keep_its_successor_out(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = postgres.new_database("idle")
    check_database(uri)  # as each process does that opens a store
    client = MlflowClient(tracking_uri=uri)
    run_id = client.create_run("0").info.run_id
    renew_lots(client, run_id, 1)
    engine = engine_of(client)
    assert engine is not None
    monkeypatch.setattr(databases, "IDLE_S", 1)
    engine.dispose()  # later connections have the shorter limit
    frozen = begin_lot(client, run_id, 0, "n1")
    with engine.connect() as connection:
        transaction = connection.begin()
        frozen.check_in(connection)  # locks the lot, and nothing follows
        began_s = time.monotonic()
        assert begin_lot(client, run_id, 0, "n2").lot.epoch == 2
        assert time.monotonic() - began_s < 10
        with pytest.raises(DBAPIError) as error:
            frozen.check_in(connection)
        assert is_passing(error.value)  # so the worker tries again, and is refused
        transaction.close()
