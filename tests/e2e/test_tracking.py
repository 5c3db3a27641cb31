"""Where per-step values go: a tracking server gets what a store in the folder gets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath, swath_compare
from support.server import free_port, mlflow_server

WORDS = ["-m", "data=digits", "batch_size=10", "max_steps=30", "learning_rate=1e-7,1e-6"]


def histories(client: MlflowClient) -> dict[str, list[tuple[int, float]]]:
    """Every run's losses, by its name."""
    experiment = client.get_experiment_by_name("swath")
    assert experiment is not None
    found = {}
    for run in client.search_runs([experiment.experiment_id], IS_CONFIGURATION):
        values = client.get_metric_history(run.info.run_id, "train/loss")
        found[run.info.run_name] = sorted((value.step, value.value) for value in values)
        assert run.info.status == "FINISHED"
        assert "weights.npz" in {entry.path for entry in client.list_artifacts(run.info.run_id)}
    return found


def check_comparing(server: str, here: Path, there: Path) -> None:
    """Files behind a server are compared as those in a folder are, without a bar for each."""
    local, remote = (
        swath_compare(folder, "ad-hoc", "--format", "json", *words)
        for folder, words in ((here, ()), (there, ("--uri", server, "--plots", str(there / "pictures"))))
    )
    assert remote.returncode == 0, remote.stderr
    columns = ("learning_rate", "test/accuracy", "p_vs_best", "tied_with_best")
    ours, theirs = (
        [[row[name] for name in columns] for row in json.loads(done.stdout)] for done in (local, remote)
    )
    assert ours == theirs
    assert all(p_vs_best is not None for _, _, p_vs_best, _ in ours)
    assert "Downloading" not in remote.stderr
    assert {path.name for path in (there / "pictures").iterdir()} >= {"accuracy.png", "confusion.png"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real tracking server with a store and artifacts of its own."""
    folder = tmp_path / "server"
    folder.mkdir()
    with mlflow_server(folder, free_port(), "/health", "server", "--workers", "1") as address:
        yield address


def test_tracking_server_gets_what_a_local_store_gets(server: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    local = swath(here, *WORDS)
    assert local.returncode == 0, local.stderr
    (tmp_path / "there").mkdir()
    remote = swath(tmp_path / "there", *WORDS, f"tracking.uri={server}")
    assert remote.returncode == 0, remote.stderr
    assert not (tmp_path / "there" / "mlflow.db").exists()
    stored = histories(MlflowClient(f"sqlite:///{here}/mlflow.db"))
    assert [len(values) for values in stored.values()] == [30, 30]
    assert histories(MlflowClient(server)) == stored
    check_comparing(server, here, tmp_path / "there")
    assert re.search(
        rf"See it:\n  its runs: {server}/#/experiments/\d+/runs\?viewStateShareKey=", remote.stdout
    )
