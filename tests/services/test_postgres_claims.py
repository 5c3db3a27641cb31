"""Claims on PostgreSQL, where transactions of several processes run side by side."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.tracking import MlflowClient

from services.postgres import Postgres
from swath.tracking import SupersededError, schema
from swath.tracking.launch_claims import NotClaimedError, claim_launch
from swath.tracking.lots import begin_lot, renew_lots
from swath.tracking.shared_tables import make_shared_tables

AT_ONCE = 8
ROUNDS = 5


@pytest.fixture(scope="module")
def client(postgres: Postgres) -> MlflowClient:
    uri = postgres.new_database("claims")
    make_shared_tables(uri)
    return MlflowClient(tracking_uri=uri)


def sweep_of(client: MlflowClient) -> str:
    """Id of a summary run with lots."""
    run_id: str = client.create_run("0", tags={schema.SWEEP_ID: "0123456789ab"}).info.run_id
    renew_lots(client, run_id, AT_ONCE)
    return run_id


def at_once(call: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(call, range(AT_ONCE)))


def test_of_commands_at_once_one_claims_a_sweep_and_of_workers_one_ends_it(client: MlflowClient) -> None:
    for _ in range(ROUNDS):
        sweep = sweep_of(client)

        def claim(number: int, sweep: str = sweep) -> str:
            who = {schema.HOST: f"n{number}", schema.PID: "1", schema.PID_START: "1.00"}
            try:
                return claim_launch(client, sweep, "0", who)
            except NotClaimedError:
                return ""

        assert sorted(map(str, at_once(claim))) == [""] * (AT_ONCE - 1) + ["1"]
        fences = [begin_lot(client, sweep, number, f"n{number}") for number in range(AT_ONCE)]
        ends = at_once(lambda number, fences=fences: fences[number].end("done"))  # type: ignore[misc]
        assert sorted(map(bool, ends)) == [False] * (AT_ONCE - 1) + [True]


def test_lots_are_renewed_while_workers_begin_and_end_them(client: MlflowClient) -> None:
    """No deadlock, and no former worker has the epoch of a new lot."""
    for _ in range(ROUNDS):
        sweep = sweep_of(client)

        def renew_or_train(number: int, sweep: str = sweep) -> str:
            if number == 0:
                return renew_lots(client, sweep, AT_ONCE, "0")
            try:
                begin_lot(client, sweep, number, "n1", 0).end("done")
            except SupersededError:
                return "refused"
            return "ended"

        answers = at_once(renew_or_train)
        assert set(answers[1:]) <= {"refused", "ended"}
        tags = client.get_run(sweep).data.tags
        assert {name for name in tags if name.startswith(schema.LOT)} == {
            f"{schema.LOT}{number}" for number in range(AT_ONCE)
        }
        assert all('"state": "waiting"' in tags[f"{schema.LOT}{number}"] for number in range(AT_ONCE))
