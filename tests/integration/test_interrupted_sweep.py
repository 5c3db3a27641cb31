"""The summary run of an interrupted sweep."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from swath.analysis import find_best
from swath.tracking import STILL_RUNNING, SweepDescription, end_interrupted
from swath.tracking.mlflow_runs import now_ms
from swath.tracking.schema import MANIFEST_FILE, NOTE, OWN_NOTE
from swath.tracking.summary_run import SummaryRun

FILES = {MANIFEST_FILE: "{}"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MlflowClient]:
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_experiment("swath", str(tmp_path / "mlruns"))
    yield client
    client._tracking_client.store._dispose_engine()


def start_summary_run(client: MlflowClient) -> str:
    tags = {
        "swath.kind": "sweep",
        "swath.sweep_id": "abc",
        "swath.asked_for": "7",
        NOTE: f"**Which seed?**\n\n{STILL_RUNNING}",
    }
    return str(client.create_run("1", tags=tags).info.run_id)


def add(client: MlflowClient, rate: str, seed: int, status: str, accuracy: float) -> str:
    tags = {"swath.kind": "run", "swath.sweep_id": "abc"}
    run_id = str(client.create_run("1", tags=tags).info.run_id)
    client.log_param(run_id, "learning_rate", rate)
    client.log_param(run_id, "seed", str(seed))
    values = {"validation/accuracy": accuracy, "train/accuracy": 0.5}
    client.log_batch(run_id, [Metric(name, value, 1, 0) for name, value in values.items()])
    client.set_terminated(run_id, status)
    return run_id


def test_summary_run_has_the_counts_and_the_best_run_so_far(client: MlflowClient) -> None:
    summary_run_id = start_summary_run(client)
    lucky = add(client, "a", 0, "FINISHED", 0.9)
    add(client, "a", 1, "FINISHED", 0.1)
    steady = add(client, "b", 0, "FINISHED", 0.6)
    add(client, "b", 1, "FAILED", 0.0)
    add(client, "b", 2, "KILLED", 0.0)
    for name in (NOTE, OWN_NOTE):
        client.set_experiment_tag("1", name, f"The latest: {STILL_RUNNING}")
    end_interrupted(client, summary_run_id, "KILLED", find_best)
    run = client.get_run(summary_run_id)
    assert run.info.status == "KILLED"
    tags = run.data.tags
    counts = [tags[f"swath.{name}"] for name in ("finished", "failed", "killed")]
    assert counts == ["3", "1", "1"]
    assert tags["swath.best_run_id"] == steady != lucky
    assert run.data.metrics == {"best/validation/accuracy": 0.6}
    assert tags[NOTE] == "**Which seed?**\n\nInterrupted: 3 of 7 finished."
    assert client.get_experiment("1").tags[NOTE] == "The latest: Interrupted: 3 of 7 finished."


def test_interrupted_sweep_is_ranked_by_the_metric_that_it_has_named(client: MlflowClient) -> None:
    summary_run_id = start_summary_run(client)
    client.set_tag(summary_run_id, "swath.ranked_by", "validation/loss")
    accurate, certain = add(client, "a", 0, "FINISHED", 0.9), add(client, "b", 0, "FINISHED", 0.8)
    client.log_metric(accurate, "validation/loss", 2.0)
    client.log_metric(certain, "validation/loss", 1.0)
    end_interrupted(client, summary_run_id, "KILLED", find_best)
    tags = client.get_run(summary_run_id).data.tags
    assert (tags["swath.best_run_id"], tags["swath.ranked_by"]) == (certain, "validation/loss")


def test_interrupted_sweep_keeps_a_description_that_a_user_edited(client: MlflowClient) -> None:
    summary_run_id = start_summary_run(client)
    client.set_experiment_tag("1", NOTE, f"mine: {STILL_RUNNING}")
    client.set_experiment_tag("1", OWN_NOTE, STILL_RUNNING)
    end_interrupted(client, summary_run_id, "KILLED")
    assert client.get_experiment("1").tags[NOTE] == f"mine: {STILL_RUNNING}"
    assert client.get_run(summary_run_id).data.metrics == {}


def test_new_sweep_keeps_a_description_that_a_user_edited(client: MlflowClient) -> None:
    start = SweepDescription("sweep x", "abc", {}, "a note", "Sweeps made by swath.", "{}", FILES)
    SummaryRun(client, "1", start, {})
    assert client.get_experiment("1").tags[NOTE] == "Sweeps made by swath."
    client.set_experiment_tag("1", NOTE, "mine")
    SummaryRun(client, "1", replace(start, experiment_note="Sweeps made by swath. Another."), {})
    assert client.get_experiment("1").tags[NOTE] == "mine"


def test_summary_run_starts_when_the_command_does(client: MlflowClient) -> None:
    start = SweepDescription(
        "sweep x", "abc", {}, "a note", "Sweeps.", "{}", FILES, start_ms=1_767_323_045_678
    )
    run_id = SummaryRun(client, "1", start, {}).run_id
    assert client.get_run(run_id).info.start_time == 1_767_323_045_678
    again = SummaryRun(client, "1", replace(start, start_ms=1_767_323_999_999), {}, run_id)
    assert client.get_run(again.run_id).info.start_time == 1_767_323_045_678, "a resume keeps the first start"
    before = now_ms()
    unknown = SummaryRun(client, "1", replace(start, start_ms=None), {})
    assert before <= client.get_run(unknown.run_id).info.start_time <= now_ms()
