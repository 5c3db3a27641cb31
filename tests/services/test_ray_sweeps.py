"""Sweeps on two nodes of Ray with a PostgreSQL store: each run once and the same bits."""

from pathlib import Path

import pytest
from support.command import swath

from services.places import LONG, SEARCH, Place
from services.postgres import Postgres
from services.ray_cluster import RayCluster

RAY = ("executor=ray", "executor.workers=2")


@pytest.fixture(scope="module")
def reference(ray_cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the sweep, trained by threads with SQLite; do not change it."""
    folder = tmp_path_factory.mktemp("threads")
    assert swath(folder, *LONG, real=True).returncode == 0
    return folder


@pytest.fixture
def place(
    ray_cluster: RayCluster, postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest
) -> Place:
    """An empty place."""
    name = f"r{abs(hash(request.node.name)) % 10**8}"
    return Place(tmp_path, postgres, name, ray_cluster.variables, RAY)


def test_sweep_on_two_nodes(place: Place, reference: Path) -> None:
    done = place.type("swath", *LONG, *RAY)
    assert done.returncode == 0, done.stderr
    assert "4 configurations in 2 lots, at most 2 workers at a time (ray " in done.stderr
    assert "lots: 2 of 2 done\nruns: 4 of 4 finished" in done.stdout
    place.assert_as_by_threads(reference)


def test_search_on_two_nodes(place: Place, tmp_path: Path) -> None:
    by_threads = tmp_path / "threads"
    by_threads.mkdir()
    assert swath(by_threads, *SEARCH, real=True).returncode == 0
    done = place.type("swath", *SEARCH, *RAY)
    assert done.returncode == 0, done.stdout + done.stderr
    place.assert_as_by_threads(by_threads)


def test_stop_and_resume(place: Place, reference: Path) -> None:
    sweep_id = place.start()
    assert place.type("swath-stop", sweep_id).returncode == 0
    again = place.type("swath", *LONG, *RAY, "resume=yes")
    assert again.returncode == 0, again.stderr
    place.assert_as_by_threads(reference)
