"""A tracking server stores the same per-step values as a local store."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath, swath_compare
from support.server import free_port, mlflow_server

COMMAND = ["-m", "data=digits", "batch_size=10", "max_steps=30", "learning_rate=1e-7,1e-6"]


def histories(client: MlflowClient) -> dict[str, list[tuple[int, float]]]:
    """Losses of every run, by run name."""
    experiment = client.get_experiment_by_name("swath")
    assert experiment is not None
    found = {}
    for run in client.search_runs([experiment.experiment_id], IS_CONFIGURATION):
        values = client.get_metric_history(run.info.run_id, "train/loss")
        found[run.info.run_name] = sorted((value.step, value.value) for value in values)
        assert run.info.status == "FINISHED"
        assert "weights.npz" in {entry.path for entry in client.list_artifacts(run.info.run_id)}
    return found


def assert_comparisons_are_equal(server: str, local_folder: Path, remote_folder: Path) -> None:
    """Assert that remote and local stores compare equally, without a progress bar for each file."""
    local, remote = (
        swath_compare(folder, "ad-hoc", "--format", "json", *arguments)
        for folder, arguments in (
            (local_folder, ()),
            (remote_folder, ("--uri", server, "--plots", str(remote_folder / "pictures"))),
        )
    )
    assert remote.returncode == 0, remote.stderr
    columns = ("learning_rate", "test/accuracy", "p_vs_best", "tied_with_best")
    local_rows, remote_rows = (
        [[row[name] for name in columns] for row in json.loads(done.stdout)] for done in (local, remote)
    )
    assert local_rows == remote_rows
    assert all(p_vs_best is not None for _, _, p_vs_best, _ in local_rows)
    assert "Downloading" not in remote.stderr
    assert {path.name for path in (remote_folder / "pictures").iterdir()} >= {"accuracy.png", "confusion.png"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real tracking server with its own store and artifacts."""
    folder = tmp_path / "server"
    folder.mkdir()
    with mlflow_server(folder, free_port(), "/health", "server", "--workers", "1") as address:
        yield address


def test_tracking_server_receives_the_same_values_as_a_local_store(server: str, tmp_path: Path) -> None:
    local_folder = tmp_path / "here"
    local_folder.mkdir()
    local = swath(local_folder, *COMMAND)
    assert local.returncode == 0, local.stderr
    (tmp_path / "there").mkdir()
    remote = swath(tmp_path / "there", *COMMAND, f"tracking.uri={server}")
    assert remote.returncode == 0, remote.stderr
    assert not (tmp_path / "there" / "mlflow.db").exists()
    stored = histories(MlflowClient(f"sqlite:///{local_folder}/mlflow.db"))
    assert [len(values) for values in stored.values()] == [30, 30]
    assert histories(MlflowClient(server)) == stored
    assert_comparisons_are_equal(server, local_folder, tmp_path / "there")
    assert re.search(
        rf"^See it: {server}/#/experiments/\d+/runs\?viewStateShareKey=\w+&compareRunsMode=TABLE"
        rf"&workflowType=machine_learning\nMore: \S+ \w+ --uri {server}$",
        remote.stderr,
        flags=re.MULTILINE,
    )
