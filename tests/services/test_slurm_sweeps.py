"""Sweeps on two nodes of Slurm with a PostgreSQL store: each run once and the same bits, whatever dies."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import SWATH, swath
from support.waiting import query_store

from services.postgres import Postgres
from services.slurm import Slurm, why_no_slurm

GRID = ("-m", "data=digits", "learning_rate=1e-6,1e-5", "batch_size=50,100", "tracking.every_steps=100")
LONG = (*GRID, "max_steps=60000", "checkpoint.every_s=0.5", "tracking.postprocess=off")
SLURM = ("executor=slurm", "executor.workers=2", "executor.wait=false")


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


class Place:
    """A folder, a cluster and an empty database in which commands are typed."""

    def __init__(self, folder: Path, slurm: Slurm, postgres: Postgres, name: str) -> None:
        self.folder, self.slurm, self._postgres, self._name = folder, slurm, postgres, name
        self.uri = postgres.new_database(name)

    def type(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command, as a user types it on the cluster's login node."""
        import os

        environment = {
            **os.environ,
            "SLURM_CONF": self.slurm.configuration,
            "MLFLOW_TRACKING_URI": self.uri,
            "SWATH_POSTPROCESS": "off",
        }
        return subprocess.run(
            [str(SWATH.with_name(name)), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def sql(self, command: str) -> list[tuple[str, ...]]:
        """Rows of the database as text."""
        return [tuple(line.split("|")) for line in self._postgres.sql(command, self._name).splitlines()]

    def start(self) -> str:
        """Start the sweep; returns its id once all runs have stored steps."""
        done = self.type("swath", *LONG, *SLURM)
        assert done.returncode == 0, done.stderr
        query = "select count(distinct run_uuid) from latest_metrics where key = 'train/loss'"
        wait(lambda: self.sql(query) == [("4",)])
        return done.stderr.partition("swath-watch ")[2].split(";")[0]

    def wait_until_ended(self, sweep_id: str) -> None:
        """Wait until the sweep has ended; on failure, say what its workers said."""
        query = (
            "select status from runs join tags using (run_uuid) where key = 'swath.kind' and value = 'sweep'"
        )
        try:
            wait(lambda: self.sql(query) == [("FINISHED",)], 300)
        except AssertionError:
            print(self.type("swath-watch", sweep_id, "--once").stdout, self.slurm.ask("squeue"))
            raise

    def assert_as_by_threads(self, reference: Path) -> None:
        """Every run finished once, every step is stored once, and the bits are those of one process."""
        assert self.sql("select status, count(*) from runs group by status") == [("FINISHED", "5")]
        bits = (
            "select f.value, b.value from tags f join tags b using (run_uuid) "
            "where f.key = 'swath.fingerprint' and b.key = 'swath.bits' order by 1"
        )
        assert self.sql(bits) == query_store(reference, bits)
        steps = (
            "select count(*), count(distinct step) from metrics where key = 'train/loss' group by run_uuid"
        )
        expected = [tuple(map(str, row)) for row in query_store(reference, steps)]
        assert sorted(self.sql(steps)) == sorted(expected)


def wait(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.3)


@pytest.fixture
def place(
    cluster: Slurm, postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """An empty place; what a test leaves running is cancelled."""
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    yield Place(tmp_path, cluster, postgres, name)
    cluster.ask("scancel", "--user=root")


def test_sweep_on_two_nodes(place: Place, reference: Path) -> None:
    done = place.type("swath", *LONG, "executor=slurm", "executor.workers=2")
    assert done.returncode == 0, done.stderr
    assert "4 configurations in 2 lots, at most 2 workers at a time (slurm " in done.stderr
    assert "lots: 2 of 2 done\nruns: 4 of 4 finished" in done.stdout
    place.assert_as_by_threads(reference)


def test_node_that_dies_loses_nothing(place: Place, reference: Path) -> None:
    sweep_id = place.start()
    place.slurm.kill("n1")
    place.wait_until_ended(sweep_id)
    place.slurm.revive("n1")
    place.assert_as_by_threads(reference)


def test_killed_worker_is_begun_again(place: Place, reference: Path) -> None:
    sweep_id = place.start()
    subprocess.run(["pkill", "-9", "-f", f"{sweep_id} 0$"], check=True)
    place.wait_until_ended(sweep_id)
    place.assert_as_by_threads(reference)


def test_preempted_workers_go_on(place: Place, reference: Path) -> None:
    sweep_id = place.start()
    place.slurm.ask("sbatch", "--partition=high", "--output=/dev/null", "--wrap=sleep 5")
    place.slurm.ask("sbatch", "--partition=high", "--output=/dev/null", "--wrap=sleep 5")
    place.wait_until_ended(sweep_id)
    place.assert_as_by_threads(reference)


def test_restarted_database_loses_nothing(place: Place, postgres: Postgres, reference: Path) -> None:
    sweep_id = place.start()
    postgres.restart(away_s=5)
    place.wait_until_ended(sweep_id)
    place.assert_as_by_threads(reference)


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
