"""Params for MLflow's page only, and tags that have another name in stores of version 0.1."""

import math
import os
import socket
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest
from mlflow.tracking import MlflowClient
from support.small import run_config
from support.stores import open_read_only

from swath import load_sweep
from swath.analysis import difference, stored_values
from swath.config import computed_values, fingerprint, read_params, stored_config
from swath.tracking import (
    DatasetInfo,
    MetricBatch,
    Reader,
    RunInfo,
    RunSummary,
    StoreAddress,
    close_stale,
    is_alive,
    schema,
)
from swath.tracking.format import FORMER_TAGS
from swath.tracking.server_reader import ClientReader
from swath.tracking.sql_reader import SqlReader
from swath.tracking.store import RunStore

RATES = (3e-7, 1e-6)
DEAD = 2**22 + 1
"""An id that no process has."""

READERS = (SqlReader, ClientReader)


def info(rate: float, **tags: str) -> RunInfo:
    config = run_config(learning_rate=rate)
    own = {schema.KIND: "run", schema.SWEEP: "rates", schema.SWEEP_ID: "0123456789ab", **tags}
    return RunInfo(
        f"rate {rate}",
        {name: str(value) for name, value in computed_values(config).items()},
        own,
        DatasetInfo("cifar10", "ab" * 32, "made by a test", {"train_images": 3}),
        stored_config(config),
        "[]\n",
    )


def address_of(folder: Path) -> StoreAddress:
    return StoreAddress(f"sqlite:///{folder}/mlflow.db", "swath", None)


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def rows(folder: Path, query: str, *values: str) -> list[tuple[object, ...]]:
    with closing(open_read_only(folder)) as database:
        return database.execute(query, values).fetchall()


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A store with a run for each learning rate, which all failed."""
    store = RunStore()
    store.open(address_of(tmp_path))
    for key, rate in enumerate(RATES):
        store.start_run(key, info(rate))
        store.log_steps(key, MetricBatch(0, {schema.TRAIN_LOSS: np.array([2.0, 1.0])}))
        store.end_run(
            key, RunSummary("FAILED", {schema.TEST_ACCURACY: 0.5}, "a reason", tags={schema.BITS: "b"})
        )
    return store


def test_learning_rate_is_stored_as_its_logarithm_too(store: RunStore, tmp_path: Path) -> None:
    stored: dict[str, dict[str, str]] = {}
    for run_id, key, value in rows(tmp_path, "select run_uuid, key, value from params"):
        stored.setdefault(str(run_id), {})[str(key)] = str(value)
    assert len(stored) == len(RATES)
    for params, rate in zip(
        sorted(stored.values(), key=lambda p: float(p["learning_rate"])), RATES, strict=True
    ):
        assert set(params) == {*computed_values(run_config()), "log10 learning_rate"}
        assert float(params["learning_rate"]) == rate
        assert float(params["log10 learning_rate"]) == pytest.approx(math.log10(rate), rel=1e-5)


@pytest.mark.parametrize("kind", READERS)
def test_readers_leave_out_logarithms(store: RunStore, tmp_path: Path, kind: type[Reader]) -> None:
    reader = kind(uri_of(tmp_path))  # type: ignore[call-arg]
    runs = reader.runs({schema.SWEEP_ID: None})
    assert len(runs) == len(RATES)
    for run in [*runs, reader.run(runs[0].run_id)]:
        assert run is not None
        assert set(run.params) == set(computed_values(run_config()))


def test_data_frames_and_differences_leave_out_logarithms(store: RunStore, tmp_path: Path) -> None:
    table = load_sweep("rates", uri_of(tmp_path))
    assert sorted(table["learning_rate"]) == list(RATES)
    assert [name for name in table.columns if "log10" in name] == []
    reader = SqlReader(uri_of(tmp_path))
    first, second = (stored_values(reader, run) for run in reader.runs({schema.SWEEP_ID: None}))
    assert set(difference(first, second).params) == {"learning_rate"}


def test_logarithms_are_no_part_of_the_identity_of_a_run(store: RunStore, tmp_path: Path) -> None:
    for run, rate in zip(SqlReader(uri_of(tmp_path)).runs({schema.SWEEP_ID: None}), RATES, strict=True):
        config = read_params(run.params)
        assert config == run_config(learning_rate=rate)
        assert fingerprint(config) == fingerprint(run_config(learning_rate=rate))


def test_field_that_does_not_span_decades_has_no_logarithm() -> None:
    assert schema.with_logarithms({"batch_size": "100", "max_steps": "10"}) == {
        "batch_size": "100",
        "max_steps": "10",
    }
    assert schema.with_logarithms({"learning_rate": "0.001"})["log10 learning_rate"] == "-3"
    both = {"learning_rate": "0.001", "log10 learning_rate": "-3"}
    assert schema.without_logarithms(both) == {"learning_rate": "0.001"}


def test_tags_for_programs_are_hidden_from_mlflows_page(store: RunStore, tmp_path: Path) -> None:
    written = {str(key) for (key,) in rows(tmp_path, "select distinct key from tags")}
    assert {"mlflow.swath.files", "mlflow.swath.tracker_pid", "mlflow.swath.tracker_pid_start"} <= written
    assert written & set(FORMER_TAGS) == set()
    assert {name: f"mlflow.{name}" for name in FORMER_TAGS} == FORMER_TAGS
    assert set(FORMER_TAGS) == {
        f"swath.{name}"
        for name in (
            *("lane", "config_schema", "files", "cpu_count", "intra_op_threads", "inter_op_threads"),
            *("device", "pid", "pid_start", "tracker_pid", "tracker_pid_start"),
        )
    }


def add_run(folder: Path, **tags: str) -> str:
    """Add a running run with tags, without `swath.`; two underscores stand for `mlflow.swath.`."""
    named = {
        name.replace("__", "mlflow.swath.") if name.startswith("__") else f"swath.{name}": value
        for name, value in tags.items()
    }
    client = MlflowClient(uri_of(folder))
    created = client.create_run("1", tags={"swath.sweep_id": "ffffffffffff", "swath.kind": "run", **named})
    return str(created.info.run_id)


@pytest.mark.parametrize("kind", READERS)
def test_renamed_tag_is_found_under_either_name(store: RunStore, tmp_path: Path, kind: type[Reader]) -> None:
    former, present = add_run(tmp_path, lane="a"), add_run(tmp_path, __lane="a")
    other = add_run(tmp_path, lane="b")
    reader = kind(uri_of(tmp_path))  # type: ignore[call-arg]
    found = reader.runs({schema.LANE: "a"})
    assert {run.run_id for run in found} == {former, present}
    assert {run.tags[schema.LANE] for run in found} == {"a"}
    assert all("swath.lane" not in run.tags for run in found)
    assert {run.run_id for run in reader.runs({schema.LANE: None})} == {former, present, other}
    assert reader.runs({schema.LANE: "a", schema.SWEEP_ID: "0123456789ab"}) == []
    assert {run.run_id for run in reader.runs({schema.LANE: None}, status="RUNNING")} == {
        *(former, present, other)
    }
    one = reader.run(former)
    assert one is not None and one.tags[schema.LANE] == "a"


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "first",
    [
        "swath",
        "mlflow.swath",
    ],
)
def test_present_name_wins_where_a_run_has_both(
    store: RunStore, tmp_path: Path, kind: type[Reader], first: str
) -> None:
    """A resume adds the tags of its process; those of version 0.1 stay. MySQL returns rows by their key."""
    run_id, client = add_run(tmp_path), MlflowClient(uri_of(tmp_path))
    second = "mlflow.swath" if first == "swath" else "swath"
    for prefix in (first, second):
        for name in ("pid", "lane"):
            client.set_tag(run_id, f"{prefix}.{name}", "former" if prefix == "swath" else "present")
    run = kind(uri_of(tmp_path)).run(run_id)  # type: ignore[call-arg]
    assert run is not None
    assert (run.tags[schema.PID], run.tags[schema.LANE]) == ("present", "present")


def process_tags(former: bool, pid: int, start: float) -> dict[str, str]:
    """The tags of the process of a run, under the names of version 0.1 or of this version."""
    mark = "" if former else "__"
    return {f"{mark}pid": str(pid), f"{mark}pid_start": f"{start:.2f}"}


@pytest.mark.parametrize("former", [True, False], ids=["version 0.1", "this version"])
@pytest.mark.parametrize("kind", READERS)
def test_run_of_a_dead_process_is_closed_as_stale(
    store: RunStore, tmp_path: Path, kind: type[Reader], former: bool
) -> None:
    here = {"host": socket.gethostname()}
    alive = psutil.Process(os.getpid())
    dead_id = add_run(tmp_path, **here, **process_tags(former, DEAD, 1.0))
    alive_id = add_run(tmp_path, **here, **process_tags(former, alive.pid, alive.create_time()))
    elsewhere_id = add_run(tmp_path, host="another", **process_tags(former, DEAD, 1.0))
    reader = kind(uri_of(tmp_path))  # type: ignore[call-arg]
    running = reader.runs({schema.PID: None}, status="RUNNING")
    assert {run.run_id for run in running} == {dead_id, alive_id, elsewhere_id}
    assert {run.run_id: is_alive(run.tags) for run in running} == {
        dead_id: False,
        alive_id: True,
        elsewhere_id: True,
    }
    assert [run.run_id for run in close_stale(uri_of(tmp_path), running)] == [dead_id]
    client = MlflowClient(uri_of(tmp_path))
    assert client.get_run(dead_id).info.status == "KILLED"
    assert client.get_run(dead_id).data.tags[schema.ERROR] == "its process has died"
    assert client.get_run(alive_id).info.status == "RUNNING"


def test_store_closes_stale_runs_of_version_0_1(store: RunStore, tmp_path: Path) -> None:
    run_id = add_run(tmp_path, host=socket.gethostname(), **process_tags(True, DEAD, 1.0))
    assert store.close_stale() == [run_id]


def test_resumed_run_of_version_0_1_loses_the_digests_of_its_former_end(
    store: RunStore, tmp_path: Path
) -> None:
    run_id = add_run(tmp_path, files='{"weights.npz": "0"}', bits="b", error="interrupted", pid=str(DEAD))
    client = MlflowClient(uri_of(tmp_path))
    client.set_terminated(run_id, "KILLED")
    assert store.start_run(9, info(1e-6, **{schema.PID: str(os.getpid())}), run_id) == run_id
    tags = client.get_run(run_id).data.tags
    assert {"swath.files", "mlflow.swath.files", "swath.bits", "swath.error"} & set(tags) == set()
    assert tags["swath.resumed"] == "1"
    store.end_run(9, RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "c"}))
    run = SqlReader(uri_of(tmp_path)).run(run_id)
    assert run is not None
    assert run.tags[schema.FILES] != '{"weights.npz": "0"}'
    assert run.params["learning_rate"] == "1e-06"
