"""Of several commands that resume a sweep at the same moment, one hands it over."""

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from swath.tracking import OfflineFallbackStore, StoreAddress, lots_of, schema, this_process
from swath.tracking.launch_claims import NotClaimedError, claim_launch, confirm_launch
from swath.tracking.lot_service import LotStore, end_open
from swath.tracking.lots import begin_lot, renew_lots
from swath.tracking.mlflow_setup import make_database

ELSEWHERE = {schema.HOST: "n9", schema.PID: "7", schema.PID_START: "1.00"}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def client(uri: str) -> MlflowClient:
    make_database(uri)
    return MlflowClient(tracking_uri=uri)


@pytest.fixture
def sweep(client: MlflowClient) -> str:
    """Id of a summary run with two lots that an engine has."""
    tags = {schema.KIND: "sweep", schema.SWEEP: "grid", schema.SWEEP_ID: "0123456789ab"}
    run_id: str = client.create_run("0", tags=tags).info.run_id
    claim = renew_lots(client, run_id, 2, engine="slurm swath-0-0123456789ab/2", who=this_process())
    assert (
        tags_of(client, run_id)[schema.ENGINE] == "slurm swath-0-0123456789ab/2"
    )  # before there is a worker
    confirm_launch(client, run_id, claim, "slurm 4711/2")
    return run_id


def tags_of(client: MlflowClient, run_id: str) -> dict[str, str]:
    found: dict[str, str] = client.get_run(run_id).data.tags
    return found


def dead(number: int) -> dict[str, str]:
    """A process of this machine that has died."""
    process = subprocess.Popen(["true"])
    process.wait()
    return {**this_process(), schema.PID: str(process.pid), schema.PID_START: f"{number}.00"}


def test_of_commands_that_read_the_same_one_claims(client: MlflowClient, sweep: str, uri: str) -> None:
    seen = tags_of(client, sweep)[schema.LOT_EPOCH]

    def claim(number: int) -> str:
        own = MlflowClient(tracking_uri=uri)
        try:
            return "claimed " + claim_launch(own, sweep, seen, dead(number))
        except NotClaimedError as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        answers = Counter(threads.map(claim, range(4)))
    assert answers["claimed 1"] == 1
    (refused,) = set(answers) - {"claimed 1"}
    launcher = json.loads(tags_of(client, sweep)[schema.LAUNCHER])
    assert answers[refused] == 3
    assert refused.startswith(
        f"sweep grid 0123456789ab is being started by process {launcher[schema.PID]} on "
    )
    assert "swath-stop 0123456789ab stops it" in refused


def test_command_that_is_still_handing_over_is_not_overtaken(client: MlflowClient, sweep: str) -> None:
    first = claim_launch(client, sweep, "0", this_process())
    with pytest.raises(NotClaimedError, match="is being started by process"):
        claim_launch(client, sweep, first, ELSEWHERE)
    confirm_launch(client, sweep, first, "slurm 4712/2")
    assert tags_of(client, sweep)[schema.ENGINE] == "slurm 4712/2"
    assert claim_launch(client, sweep, first, ELSEWHERE) == "2"


def test_command_that_died_while_handing_over_is_overtaken_and_one_elsewhere_by_force(
    client: MlflowClient, sweep: str
) -> None:
    claim_launch(client, sweep, "0", dead(1))
    claim_launch(client, sweep, "1", ELSEWHERE)
    with pytest.raises(NotClaimedError, match=r"started by process 7 on n9: .* force_resume=true"):
        claim_launch(client, sweep, "2", this_process())
    assert claim_launch(client, sweep, "2", this_process(), force=True) == "3"


def test_overtaken_command_neither_hands_over_nor_starts(client: MlflowClient, sweep: str) -> None:
    slow, fast = dead(1), this_process()
    first = claim_launch(client, sweep, "0", slow)
    second = claim_launch(client, sweep, first, fast)
    with pytest.raises(NotClaimedError):
        renew_lots(client, sweep, 5, first, "slurm swath-1-0123456789ab/5", slow)
    now = renew_lots(client, sweep, 3, second, "slurm swath-2-0123456789ab/3", fast)
    with pytest.raises(NotClaimedError):
        confirm_launch(client, sweep, first, "slurm 4800/5")
    confirm_launch(client, sweep, now, "slurm 4801/3")
    tags = tags_of(client, sweep)
    assert (len(lots_of(tags)), tags[schema.ENGINE]) == (3, "slurm 4801/3")
    assert schema.LAUNCHER not in tags


def test_attempt_without_an_answer_may_be_repeated(client: MlflowClient, sweep: str) -> None:
    me = this_process()
    assert claim_launch(client, sweep, "0", me) == claim_launch(client, sweep, "0", me) == "1"
    engine = "slurm swath-1-0123456789ab/1"
    renew_lots(client, sweep, 1, "1", engine, me)
    again = renew_lots(client, sweep, 1, "1", engine, me)
    confirm_launch(client, sweep, again, "slurm 4713/1")


def test_sweep_that_was_stopped_while_it_was_handed_over_is_not_started(
    client: MlflowClient, sweep: str, uri: str
) -> None:
    me = this_process()
    claim = renew_lots(client, sweep, 1, claim_launch(client, sweep, "0", me), "slurm x/1", me)
    client.set_tag(sweep, schema.STOPPING, "1")
    end_open(uri, sweep, None)
    assert schema.LAUNCHER not in tags_of(client, sweep)
    with pytest.raises(NotClaimedError, match="was stopped while it was handed over"):
        confirm_launch(client, sweep, claim, "slurm 4711/1")


def test_new_lots_have_a_later_epoch_than_a_lot_that_was_begun_after_the_claim(
    client: MlflowClient, sweep: str
) -> None:
    claim = claim_launch(client, sweep, "0", this_process())
    late = [begin_lot(client, sweep, 0, "n1") for _ in range(3)][-1]
    renew_lots(client, sweep, 1, claim)
    with pytest.raises(Exception, match="begun again"):
        late.check()


def test_command_that_lost_the_sweep_does_not_end_that_of_another(
    client: MlflowClient, sweep: str, uri: str
) -> None:
    store = OfflineFallbackStore()
    store.open(StoreAddress(uri, "new", None))
    claim = claim_launch(client, sweep, "0", dead(1))
    renew_lots(client, sweep, 2, claim_launch(client, sweep, claim, this_process()))
    with pytest.raises(NotClaimedError):
        LotStore(store).give_up(sweep, claim)
    assert client.get_run(sweep).info.status == "RUNNING"
    assert {lot.state for lot in lots_of(tags_of(client, sweep))} == {"waiting"}
