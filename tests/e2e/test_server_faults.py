"""Tracking servers that are unreachable, restart, stay unreachable or require a login."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from support.command import error_lines, swath
from support.forks import TRACKING_PATCH, ForkedCommand, training_server
from support.server import free_port, mlflow_server, unauthorized_server
from support.stores import whole_store
from support.waiting import SLOW_TO_END

from swath.tracking import schema
from swath.tracking.server_reader import ClientReader

SWEEP = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=20,50",
    "learning_rate=1e-7,1e-6",
    "evaluate_every_steps=500",
)
MAX_STEPS = "max_steps=400,6000"


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    arguments = ("server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1")
    with mlflow_server(folder, port, "/health", *arguments) as address:
        yield address


def metrics_of(folder: Path) -> dict[str, object]:
    """Status, metrics and result digest of every configuration in a server's store."""
    return {
        key: {name: value for name, value in run.items() if name != "files"}
        for key, run in whole_store(folder).items()
        if key.startswith("run ")
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The metrics after an undisturbed sweep."""
    folder = tmp_path_factory.mktemp("reference")
    done = swath(folder, *SWEEP, MAX_STEPS)
    assert done.returncode == 0, done.stderr
    return metrics_of(folder)


def test_unreachable_server_is_reported_before_training(tmp_path: Path) -> None:
    swath(tmp_path, "--version")  # start the fork server outside the measured time
    started = time.monotonic()
    done = swath(tmp_path, *SWEEP, MAX_STEPS, f"tracking.uri=http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "Connection refused" in line
    assert not (tmp_path / "multirun").exists()
    assert time.monotonic() - started < 10


def test_server_that_requires_a_login_is_reported_in_one_line(tmp_path: Path) -> None:
    with unauthorized_server() as port:
        done = swath(tmp_path, *SWEEP, MAX_STEPS, f"tracking.uri=http://somebody:secret@127.0.0.1:{port}")
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "asks for a login; set MLFLOW_TRACKING_USERNAME" in line
    assert "secret" not in done.stderr + done.stdout


def start_sweep(folder: Path, address: str, **environment: str) -> ForkedCommand:
    arguments = (*SWEEP, MAX_STEPS, f"tracking.uri={address}")
    return ForkedCommand(training_server(), "swath.cli.entry:swath", folder, arguments, **environment)


def wait_for_steps(folder: Path) -> None:
    """Wait until the server's store contains steps of every batch size."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.OperationalError), sqlite3.connect(folder / "mlflow.db") as database:
            query = "select count(distinct run_uuid) from latest_metrics where key = 'train/loss'"
            if database.execute(query).fetchone()[0] >= 3:
                return
        time.sleep(0.1)
    raise AssertionError("no steps were stored")


def test_server_outage_during_training_loses_nothing(tmp_path: Path, reference: dict[str, object]) -> None:
    port = free_port()
    (tmp_path / "store").mkdir()
    with server(tmp_path / "store", port) as address:
        training = start_sweep(tmp_path, address)
        wait_for_steps(tmp_path / "store")
    time.sleep(20)
    with server(tmp_path / "store", port):
        _, errors = training.communicate(timeout=180)
        assert training.returncode == 0, errors
        assert "8 of 8 runs finished" in errors
    assert metrics_of(tmp_path / "store") == reference


def test_resume_syncs_runs_to_a_server_that_was_unreachable(
    tmp_path: Path, reference: dict[str, object]
) -> None:
    port = free_port()
    (tmp_path / "store").mkdir()
    with server(tmp_path / "store", port) as address:
        # The user's limit on retries; the default takes a minute.
        few = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", TRACKING_PATCH: SLOW_TO_END}
        training = start_sweep(tmp_path, address, **few)
        wait_for_steps(tmp_path / "store")
    output, errors = training.communicate(timeout=300)
    assert training.returncode == 1
    assert "8 of 8 runs finished" in errors
    assert len(output.splitlines()) == 9, "the ranking of all runs"
    (line,) = error_lines(errors)
    assert "cannot reach the store" in line
    assert "run the same command with resume=yes to upload them" in line
    with server(tmp_path / "store", port):
        again = swath(tmp_path, *SWEEP, MAX_STEPS, f"tracking.uri={address}", "resume=true")
        assert again.returncode == 0, again.stderr
        assert "copied to the store: " in again.stderr
        assert "Resume: 8 already done." in again.stderr.splitlines()
        client = MlflowClient(address)
        (summary,) = client.search_runs(["1"], "tags.`swath.kind` = 'sweep'")
        assert summary.data.tags["swath.finished"] == "8"
        for run in client.search_runs(["1"], "tags.`swath.kind` = 'run'"):
            files = {file.path for file in client.list_artifacts(run.info.run_id)}
            assert {"weights.npz", "predictions.npz", "config.yaml"} <= files
            assert "log10 learning_rate" in run.data.params
        read = ClientReader(address).runs({schema.PID: None, schema.KIND: "run"})
        assert len(read) == 8
        assert [name for run in read for name in run.params if "log10" in name] == []
    assert metrics_of(tmp_path / "store") == reference
