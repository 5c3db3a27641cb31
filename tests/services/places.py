"""A folder with an empty PostgreSQL database, in which commands are typed that hand a sweep to an engine."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from support.command import SWATH
from support.stores import curves_by_configuration
from support.waiting import query_store

from services.postgres import Postgres

GRID = ("-m", "data=digits", "learning_rate=1e-6,1e-5", "batch_size=50,100", "tracking.curves=file")
LONG = (*GRID, "max_steps=60000", "checkpoint.every_s=0.5", "tracking.postprocess=off")


SEARCH = (
    *("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50", "data=digits"),
    *(
        "data.validation_size=300",
        "max_steps=90",
        "search.trials=6",
        "search.round=3",
        "search.first_steps=30",
    ),
    *("search.confirm=1", "checkpoint.dir=shared", "tracking.postprocess=off"),
)


class Place:
    """A folder, an empty database, and an engine.

    Args:
      folder: where commands are typed.
      postgres: the server.
      name: of the database.
      environment: variables that lead to the engine.
      overrides: of the command that hands a sweep to it.
      template: database that is copied; an empty one by default.
    """

    def __init__(
        self,
        folder: Path,
        postgres: Postgres,
        name: str,
        environment: Mapping[str, str],
        overrides: tuple[str, ...],
        template: str = "template1",
    ) -> None:
        self.folder, self._postgres, self._name = folder, postgres, name
        self._overrides = overrides
        self.uri = postgres.new_database(name, template)
        self.environment = {
            **os.environ,
            **environment,
            "MLFLOW_TRACKING_URI": self.uri,
            "SWATH_POSTPROCESS": "off",
        }

    def type(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command, as a user types it."""
        return subprocess.run(
            [str(SWATH.with_name(name)), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def sql(self, command: str) -> list[tuple[str, ...]]:
        """Rows of the database as text."""
        return [tuple(line.split("|")) for line in self._postgres.sql(command, self._name).splitlines()]

    def start(self) -> str:
        """Start the sweep; returns its id once all runs have stored steps."""
        done = self.type("swath", *LONG, *self._overrides, "executor.wait=false")
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
            print(self.type("swath-watch", sweep_id, "--once").stdout)
            raise

    def assert_as_by_threads(self, reference: Path) -> None:
        """Every run finished once, every step is stored once, and the bits are those of one process."""
        count = "select status, count(*) from runs group by status"
        assert self.sql(count) == [tuple(map(str, row)) for row in query_store(reference, count)]
        bits = (
            "select f.value, b.value from tags f join tags b using (run_uuid) "
            "where f.key = 'swath.fingerprint' and b.key = 'swath.bits' order by 1, 2"
        )
        assert self.sql(bits) == query_store(reference, bits)
        steps = (
            "select count(*), count(distinct step) from metrics where key = 'train/loss' group by run_uuid"
        )
        expected = [tuple(map(str, row)) for row in query_store(reference, steps)]
        assert sorted(self.sql(steps)) == sorted(expected)
        whole = curves_by_configuration(f"sqlite:///{reference}/mlflow.db")
        assert curves_by_configuration(self.uri) == whole


def wait(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.3)
