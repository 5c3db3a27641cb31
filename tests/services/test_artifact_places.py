"""Artifacts in an object store, directly and through a server; a place that cannot be written."""

import time
from pathlib import Path

from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.machine import busy
from support.server import free_port, mlflow_server
from support.stores import curves_by_configuration
from support.waiting import query_store

from services.conftest import BUCKET
from services.contents import contents
from services.object_store import keys_in

SWEEP = ("-m", "data=digits", "max_steps=20", "batch_size=20", "learning_rate=1e-7,1e-6")


IDS = "select run_uuid from tags where key = 'swath.kind' and value = 'run'"


def refused(folder: Path, *arguments: str, status: int = 1, **environment: str) -> str:
    """The one line with which a sweep is refused before anything is trained, within ten seconds."""
    swath(folder, "--version")  # start the fork server outside the measured time
    started = time.monotonic()
    done = swath(folder, *SWEEP, *arguments, **environment)
    assert time.monotonic() - started < 10 * busy()
    assert done.returncode == status, done.stderr
    (line,) = error_lines(done.stderr)
    assert not (folder / "multirun").exists()
    return line


def test_artifacts_go_to_a_bucket(tmp_path: Path, s3: dict[str, str]) -> None:
    place = f"tracking.artifact_location=s3://{BUCKET}/direct"
    done = swath(tmp_path, *SWEEP, place, "tracking.curves=file", **s3)
    assert done.returncode == 0, done.stderr
    keys = [key for key in keys_in(s3, BUCKET) if key.startswith("direct/")]
    assert sum(key.endswith("/artifacts/weights.npz") for key in keys) == 2
    assert [key for key in keys if "was-here" in key] == [], "what was tried is removed"
    one, other = (str(run) for (run,) in query_store(tmp_path, IDS))
    compared = swath_compare(tmp_path, "--diff", one, other, **s3)  # reads predictions and curves
    assert compared.returncode == 0, compared.stderr
    assert "numbers: train/loss: differs from step 1 on" in compared.stdout
    assert sum(key.endswith(".parquet") for key in keys) == 2
    repeated = swath_reproduce(tmp_path, one, **s3)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr


def test_bucket_that_does_not_exist(tmp_path: Path, s3: dict[str, str]) -> None:
    line = refused(tmp_path, "tracking.artifact_location=s3://nowhere/swath", **s3)
    assert "artifacts cannot be written to s3://nowhere/swath: NoSuchBucket" in line
    assert "tracking.artifact_location=PLACE" in line
    # The experiment is not made, so that the corrected command is not told that it has another place.
    assert query_store(tmp_path, "select name from experiments where name = 'swath'") == []
    done = swath(tmp_path, *SWEEP, f"tracking.artifact_location=s3://{BUCKET}/corrected", **s3)
    assert done.returncode == 0, done.stderr


def test_object_store_that_is_away(tmp_path: Path, s3: dict[str, str]) -> None:
    away = {**s3, "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    line = refused(tmp_path, f"tracking.artifact_location=s3://{BUCKET}/away", **away)
    assert f"artifacts cannot be written to s3://{BUCKET}/away" in line


def test_server_passes_artifacts_on_to_a_bucket(tmp_path: Path, s3: dict[str, str]) -> None:
    store = tmp_path / "store"
    store.mkdir()
    arguments = (
        "server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1",
        "--artifacts-destination", f"s3://{BUCKET}/proxied",
    )  # fmt: skip
    with mlflow_server(store, free_port(), "/health", *arguments, **s3) as address:
        done = swath(tmp_path, *SWEEP, f"tracking.uri={address}", "tracking.curves=both")
        assert done.returncode == 0, done.stderr
        read = curves_by_configuration(address)
    assert [[steps for _, steps, _ in curves] for curves in read.values()] == [[20, 20]] * 2
    runs = [
        run for key, run in contents(f"sqlite:///{store}/mlflow.db").items() if not key.startswith("sweep")
    ]
    assert [(run["status"], run["steps"]) for run in runs] == [("FINISHED", 20)] * 2
    keys = [key for key in keys_in(s3, BUCKET) if key.startswith("proxied/")]
    assert sum(key.endswith("/artifacts/weights.npz") for key in keys) == 2
    assert [key for key in keys if "was-here" in key] == []


def test_server_whose_bucket_does_not_exist(tmp_path: Path, s3: dict[str, str]) -> None:
    store = tmp_path / "store"
    store.mkdir()
    arguments = (
        "server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1",
        "--artifacts-destination", "s3://nowhere",
    )  # fmt: skip
    with mlflow_server(store, free_port(), "/health", *arguments, **s3) as address:
        line = refused(tmp_path, f"tracking.uri={address}")
    assert "artifacts cannot be written to mlflow-artifacts:/1" in line
