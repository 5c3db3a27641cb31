"""PostgreSQL that is restarted, crashes or stays away while a sweep is trained."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import error_lines, swath
from support.forks import TRACKING_PATCH, ForkedCommand
from support.server import free_port, mlflow_server
from support.waiting import SLOW_TO_END, running, wait_for

from services.contents import contents
from services.postgres import Postgres

SWEEP = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=20,50",
    "learning_rate=1e-7,1e-6",
    "max_steps=400,6000",
    "evaluate_every_steps=500",
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The contents of an SQLite store after an undisturbed sweep."""
    folder = tmp_path_factory.mktemp("reference")
    done = swath(folder, *SWEEP)
    assert done.returncode == 0, done.stderr
    return contents(f"sqlite:///{folder}/mlflow.db")


@contextlib.contextmanager
def sweep_in_training(
    folder: Path, postgres: Postgres, database: str, **environment: str
) -> Iterator[ForkedCommand]:
    """Start a sweep on a new database, and wait until it contains steps of runs in training."""
    uri = postgres.new_database(database)
    with running(folder, *SWEEP, f"tracking.uri={uri}", **environment) as training:
        wait_for_steps(postgres, database)
        yield training


def wait_for_steps(postgres: Postgres, database: str) -> None:
    """Wait until three runs have steps."""
    is_made = "select to_regclass('latest_metrics') is not null"
    wait_for(lambda: postgres.sql(is_made, database) == "t")
    steps = "select count(distinct run_uuid) from latest_metrics where key = 'train/loss'"
    wait_for(lambda: int(postgres.sql(steps, database)) >= 3)


@pytest.mark.parametrize(("mode", "away_s"), [("fast", 0), ("immediate", 3), ("fast", 20)])
def test_restart_during_training_loses_nothing(
    tmp_path: Path, postgres: Postgres, reference: dict[str, Any], mode: str, away_s: int
) -> None:
    database = f"restart_{mode}_{away_s}"
    with sweep_in_training(tmp_path, postgres, database) as training:
        postgres.restart(away_s, mode)
        _, errors = training.communicate(timeout=240)
    assert training.returncode == 0, errors
    assert "8 of 8 runs finished" in errors
    assert contents(postgres.address(database)) == reference


def test_restart_behind_a_server_loses_nothing(
    tmp_path: Path, postgres: Postgres, reference: dict[str, Any]
) -> None:
    uri = postgres.new_database("behind")
    (tmp_path / "server").mkdir()
    arguments = ("server", "--backend-store-uri", uri, "--workers", "1")
    with (
        mlflow_server(tmp_path / "server", free_port(), "/health", *arguments) as address,
        running(tmp_path, *SWEEP, f"tracking.uri={address}") as training,
    ):
        wait_for_steps(postgres, "behind")
        postgres.restart(3)
        _, errors = training.communicate(timeout=240)
    assert training.returncode == 0, errors
    assert contents(uri) == reference


def test_resume_syncs_runs_to_a_database_that_was_away(
    tmp_path: Path, postgres: Postgres, reference: dict[str, Any]
) -> None:
    # The limit on retries; the default takes a minute.
    few = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", TRACKING_PATCH: SLOW_TO_END}
    with sweep_in_training(tmp_path, postgres, "away", **few) as training:
        postgres.stop()
        try:
            output, errors = training.communicate(timeout=240)
        finally:
            postgres.start()
    assert training.returncode == 1
    assert "8 of 8 runs finished" in errors
    assert len(output.splitlines()) == 9, "the ranking of all runs"
    (line,) = error_lines(errors)
    assert "cannot reach the store postgresql://swath:***@127.0.0.1" in line
    assert "run the same command with resume=yes to upload them" in line
    again = swath(tmp_path, *SWEEP, f"tracking.uri={postgres.address('away')}", "resume=true")
    assert again.returncode == 0, again.stderr
    assert "copied to the store: " in again.stderr
    assert "Resume: 8 already done." in again.stderr.splitlines()
    assert contents(postgres.address("away")) == reference
