"""Sweeps on two nodes of Slurm with a PostgreSQL store: each run once and the same bits."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import swath

from services.places import GRID, LONG, SEARCH, Place
from services.postgres import Postgres
from services.slurm import Slurm, why_no_slurm

SLURM = ("executor=slurm", "executor.workers=2")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the sweep, trained by threads with SQLite; do not change it."""
    folder = tmp_path_factory.mktemp("threads")
    assert swath(folder, *LONG).returncode == 0
    return folder


@pytest.fixture(scope="module")
def cluster(one_at_a_time: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Two nodes of Slurm."""
    if reason := why_no_slurm():
        pytest.skip(reason)
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    slurm.up()
    yield slurm
    slurm.down()


@pytest.fixture
def place(
    cluster: Slurm, postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """An empty place; what a test leaves running is cancelled."""
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    yield Place(tmp_path, postgres, name, {"SLURM_CONF": cluster.configuration}, SLURM)
    cluster.ask("scancel", "--user=root")


def test_sweep_on_two_nodes(place: Place, cluster: Slurm, reference: Path) -> None:
    done = place.type("swath", *LONG, "executor=slurm", "executor.workers=2")
    assert done.returncode == 0, done.stderr
    assert "4 configurations in 2 lots, at most 2 workers at a time (slurm " in done.stderr
    assert "lots: 2 of 2 done\nruns: 4 of 4 finished" in done.stdout
    place.assert_as_by_threads(reference)
    # One of the nodes has no AVX-512; the bits are the same.
    assert (cluster.folder / "older").read_text()


def test_search_on_two_nodes(place: Place, tmp_path: Path) -> None:
    by_threads = tmp_path / "threads"
    by_threads.mkdir()
    assert swath(by_threads, *SEARCH).returncode == 0
    done = place.type("swath", *SEARCH, *SLURM)
    assert done.returncode == 0, done.stdout + done.stderr
    place.assert_as_by_threads(by_threads)


def test_stop_and_resume(place: Place, reference: Path) -> None:
    sweep_id = place.start()
    assert place.type("swath-stop", sweep_id).returncode == 0
    again = place.type("swath", *LONG, "executor=slurm", "executor.workers=2", "resume=yes")
    assert again.returncode == 0, again.stderr
    place.assert_as_by_threads(reference)


def test_partition_that_does_not_exist_is_one_line(place: Place) -> None:
    done = place.type("swath", *GRID, "executor=slurm", "executor.partition=none")
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert "found partition 'none', expected one of high, low; executor.partition=NAME" in line
    assert sys.executable not in line
    assert place.sql("select count(*) from pg_tables where tablename = 'runs'") == [("0",)]  # nothing written
