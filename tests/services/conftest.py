"""Fixtures that start services; skipped with the reason where their programs are not installed."""

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.object_store import has_moto, object_store
from services.postgres import Postgres, postgres_programs
from services.ray_cluster import RayCluster, why_no_ray
from services.turns import taking_turns

BUCKET = "swath"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, so that `-m "not services"` leaves them out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("services")


@pytest.fixture(scope="module")
def one_at_a_time() -> Iterator[None]:
    """Services of parallel test processes take turns, so that memory is that of one."""
    with taking_turns():
        yield


@pytest.fixture(scope="module")
def postgres(one_at_a_time: None) -> Iterator[Postgres]:
    """A running PostgreSQL."""
    if postgres_programs() is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install 'swath[postgres]'")
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="module")
def s3(one_at_a_time: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables that lead to an object store with the bucket `BUCKET`."""
    if not has_moto():
        pytest.skip("moto is not installed: pip install 'moto[s3]'")
    with object_store(tmp_path_factory.mktemp("s3"), BUCKET) as variables:
        yield variables


@pytest.fixture(scope="module")
def ray_cluster(one_at_a_time: None) -> Iterator[RayCluster]:
    """A head and two nodes of Ray."""
    if why_no_ray():
        pytest.skip(why_no_ray())
    with tempfile.TemporaryDirectory(prefix="swath-ray-", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder))
        try:
            cluster.up()
            yield cluster
        finally:
            cluster.down()
