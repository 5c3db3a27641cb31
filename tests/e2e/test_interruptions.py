"""Interrupted sweeps leave no run RUNNING, whether by Ctrl-C, by a signal or by a killed process."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from support.command import error_lines
from support.forks import ForkedCommand
from support.waiting import has_steps, running, started, wait_for

LONG = ["data=digits", "batch_size=300", "max_steps=10000000", "learning_rate=1e-6"]
"""Days of training, slow enough that the store can be read meanwhile."""


def all_runs(folder: Path) -> list[Run]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("swath")
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


@pytest.fixture
def training(tmp_path: Path) -> Iterator[ForkedCommand]:
    """A sweep in the middle of its first configuration."""
    with running(tmp_path, "-m", "seed=0,1", *LONG) as process:
        wait_for(lambda: has_steps(tmp_path))
        yield process


def test_ctrl_c_marks_runs_as_killed(tmp_path: Path) -> None:
    with started(tmp_path, "-m", "seed=0,1", *LONG) as training:
        wait_for(lambda: has_steps(tmp_path))
        os.killpg(training.pid, signal.SIGINT)  # to the whole process group, like a terminal
        output, errors = training.communicate(timeout=60)
    assert training.returncode == 130
    assert "Traceback" not in errors
    assert "KILLED 2 configurations: interrupted" in errors
    assert "Resume with: swath -m seed=0,1 data=digits" in errors
    assert error_lines(errors) == []
    assert output == ""
    for run in all_runs(tmp_path):
        assert run.info.status == "KILLED"
        if run.data.tags["swath.kind"] == "run":
            assert run.data.tags["swath.error"] == "interrupted"
            # Metrics with a single value are stored when a run finishes; this one may be resumed.
            assert set(run.data.metrics) == {"train/accuracy", "train/loss"}


def test_second_ctrl_c_exits_immediately_and_leaves_no_run_running(
    training: ForkedCommand, tmp_path: Path
) -> None:
    os.killpg(training.pid, signal.SIGINT)
    time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):  # it may end at the first
        os.killpg(training.pid, signal.SIGINT)
    _, errors = training.communicate(timeout=60)
    assert training.returncode == 130
    assert "Traceback" not in errors
    wait_for(lambda: all(run.info.status == "KILLED" for run in all_runs(tmp_path)), timeout_s=30)


def test_run_of_a_killed_training_process_is_marked_as_killed(
    training: ForkedCommand, tmp_path: Path
) -> None:
    os.kill(training.pid, signal.SIGKILL)
    training.wait(timeout=10)
    wait_for(lambda: all(run.info.status == "KILLED" for run in all_runs(tmp_path)), timeout_s=30)
    (summary,) = [run for run in all_runs(tmp_path) if run.data.tags["swath.kind"] == "sweep"]
    assert "Interrupted: 0 of 2 finished." in summary.data.tags["mlflow.note.content"]
    assert summary.data.tags["swath.killed"] == str(len(all_runs(tmp_path)) - 1)


def test_training_stops_when_the_tracking_process_is_killed(training: ForkedCommand, tmp_path: Path) -> None:
    (tracking_process,) = (
        process for process in psutil.process_iter() if os.getpgid(process.pid) == training.pid != process.pid
    )
    tracking_process.kill()
    output, errors = training.communicate(timeout=60)
    assert training.returncode == 1
    assert "Traceback" not in errors
    assert "the tracking process has died" in errors
    assert output == ""


def test_finished_runs_are_shown_after_a_second_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path, "-m", *LONG, "max_steps=3,10000000") as process:
        wait_for(lambda: (tmp_path / "multirun").exists(), timeout_s=120)
        wait_for(lambda: bool(list((tmp_path / "mlruns").glob("*/*/artifacts/weights.npz"))), timeout_s=120)
        wait_for(lambda: any(run.info.status == "FINISHED" for run in all_runs(tmp_path)), timeout_s=60)
        time.sleep(1)  # the command hears of it
        for _ in range(2):
            with contextlib.suppress(ProcessLookupError):  # it may end at the first
                os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 2 runs finished" in errors
    assert len(output.splitlines()) == 2, "the ranking has the finished run"


def test_steps_are_stored_during_training(training: ForkedCommand, tmp_path: Path) -> None:
    def last_step() -> int:
        with sqlite3.connect(f"file:{tmp_path}/mlflow.db?mode=ro", uri=True, timeout=30) as database:
            return int(database.execute("select max(step) from latest_metrics").fetchone()[0])

    before = last_step()
    wait_for(lambda: last_step() > before)


@pytest.mark.parametrize(("signal_number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_sighup_stop_a_sweep_like_ctrl_c(
    training: ForkedCommand, tmp_path: Path, signal_number: signal.Signals, status: int
) -> None:
    training.send_signal(signal_number)
    output, errors = training.communicate(timeout=60)
    assert training.returncode == status
    assert "Traceback" not in errors
    assert "KILLED 2 configurations: interrupted" in errors
    assert "Resume with: swath -m seed=0,1 data=digits" in errors
    assert error_lines(errors) == []
    assert output == ""
    assert {run.info.status for run in all_runs(tmp_path)} == {"KILLED"}
