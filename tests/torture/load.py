"""Load tests: very many configurations, several concurrent sweeps in one store, and eight workers on one.

python -m torture.load [CONFIGURATIONS]   (from tests/; `make torture` runs 10,000)
"""

import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from services.postgres import Postgres
from support.command import SWATH
from support.server import free_port, mlflow_server

from torture.findings import compare, read_runs

CONCURRENT_SWEEPS = 8
SWEEP = ("-m", "data=digits", "batch_size=20,50", "learning_rate=1e-7,1e-6", "max_steps=100,300")
"""Eight configurations, 1,600 steps."""

SHORT = ("-m", "data=digits", "batch_size=5")

SAMPLE_S = 1.0


@dataclass(frozen=True)
class Sample:
    """Resources that a sweep uses at one moment.

    Attributes:
      at_s: Unix time in seconds.
      memory_bytes: memory of the process and its children.
      files: number of open files of the process and its children.
    """

    at_s: float
    memory_bytes: int
    files: int


def run_sampled(folder: Path, arguments: list[str]) -> list[Sample]:
    """Run a sweep until it exits, and sample its resources every second."""
    process = subprocess.Popen(
        [str(SWATH), *arguments], cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    found = []
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(process.pid)
            family = [parent, *parent.children(recursive=True)]
            memory = sum(member.memory_info().rss for member in family)
            found.append(Sample(time.time(), memory, sum(member.num_fds() for member in family)))
        time.sleep(SAMPLE_S)
    assert process.returncode == 0
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "SWATH_POSTPROCESS": "off"}


def grid_of(configurations: int) -> list[str]:
    """Arguments of a grid of short configurations."""
    rates = ",".join(f"{1e-7 * (1 + number / 100):.4g}" for number in range(100))
    return [*SHORT, "max_steps=1", f"learning_rate={rates}", f"seed=range({configurations // 100})"]


def search_of(trials: int) -> list[str]:
    """Arguments of a halved search of short trials."""
    space = ("learning_rate=tag(log,interval(1e-7,1e-3))", "seed=interval(0,1000000)")
    limits = (f"search.trials={trials}", "search.first_steps=1", "search.sampler=random", "search.confirm=0")
    return [*SHORT, "max_steps=4", *space, *limits]


def run_many(what: str, arguments: list[str], configurations: int, growth: float = 0.05) -> list[str]:
    """Run a sweep of many short configurations; compare its memory, open files and pace early and late.

    Args:
      what: what is counted.
      arguments: arguments of `swath`.
      configurations: their number.
      growth: by how much the memory may grow from the second tenth to the last.
    """
    with tempfile.TemporaryDirectory(prefix="swath-load-") as name:
        samples = run_sampled(Path(name), arguments)
        with sqlite3.connect(f"{name}/mlflow.db") as database:
            query = (
                "select end_time from runs join tags using (run_uuid) where key = 'swath.kind' "
                "and value = 'run' and status = 'FINISHED' order by end_time"
            )
            ends_s = [row[0] / 1000 for row in database.execute(query)]
    assert len(ends_s) == configurations, f"{len(ends_s)} finished"
    tenth = len(ends_s) // 10

    def pace_s(part: int) -> float:
        return (ends_s[(part + 1) * tenth - 1] - ends_s[part * tenth]) / tenth

    def samples_of(part: int) -> list[Sample]:
        first, last = ends_s[part * tenth], ends_s[(part + 1) * tenth - 1]
        return [sample for sample in samples if first <= sample.at_s <= last]

    early, late = samples_of(1), samples_of(9)
    memory = [statistics.median(sample.memory_bytes for sample in part) for part in (early, late)]
    files = [statistics.median(sample.files for sample in part) for part in (early, late)]
    lines = [
        f"{configurations} {what}: memory {memory[0] / 1e9:.2f} GB in the second tenth, "
        f"{memory[1] / 1e9:.2f} GB in the last ({memory[1] / memory[0] - 1:+.1%}; target {growth:+.0%})",
        f"open files {files[0]:.0f} and {files[1]:.0f}",
        f"time for each {1000 * pace_s(1):.1f} ms and {1000 * pace_s(9):.1f} ms "
        f"({pace_s(9) / pace_s(1) - 1:+.1%}; target +20 %)",
    ]
    assert memory[1] <= (1 + growth) * memory[0], lines
    assert files[1] <= files[0] + 2, lines
    assert pace_s(9) <= 1.2 * pace_s(1), lines
    return lines


def run_concurrent_sweeps(folder: Path, uri: str | None) -> None:
    """Run eight sweeps concurrently; check that all finish and that every step is stored once."""
    given = [] if uri is None else [f"tracking.uri={uri}"]
    processes = [
        subprocess.Popen(
            [str(SWATH), *SWEEP, f"seed={seed}", *given],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(CONCURRENT_SWEEPS)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    with sqlite3.connect(folder / "mlflow.db") as database:
        steps = database.execute(
            "select params.value, count(*), count(distinct step) from metrics join params using (run_uuid) "
            "where metrics.key = 'train/loss' and params.key = 'max_steps' group by run_uuid"
        ).fetchall()
        statuses = dict(database.execute("select status, count(*) from runs group by status"))
    assert len(steps) == 8 * CONCURRENT_SWEEPS
    assert all(int(most) == count == distinct for most, count, distinct in steps)
    assert statuses == {"FINISHED": 9 * CONCURRENT_SWEEPS}


def run_eight_workers(folder: Path, uri: str, database: str) -> None:
    """Train a sweep of 32 configurations by eight workers; check that it stores what one process does.

    Args:
      folder: where it is done; gets a store of the reference.
      uri: address of the store of the workers.
      database: address of its database.
    """
    once = [*SWEEP, "seed=0,1,2,3", f"tracking.uri=sqlite:///{folder}/reference.db"]
    eight = [*once[:-1], f"tracking.uri={uri}", "executor=processes", f"executor.workers={CONCURRENT_SWEEPS}"]
    for arguments in (once, eight):
        done = subprocess.run([str(SWATH), *arguments], cwd=folder, env=_environment(), capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
    findings = compare(read_runs(database), read_runs(f"sqlite:///{folder}/reference.db"))
    assert not findings, findings


def run_on_postgres() -> None:
    """Let eight workers write to one PostgreSQL, and to one server that stores there."""
    postgres = Postgres()
    try:
        with tempfile.TemporaryDirectory(prefix="swath-load-") as name:
            uri = postgres.new_database("direct")
            run_eight_workers(Path(name), uri, uri)
        print(f"{CONCURRENT_SWEEPS} workers on one PostgreSQL: ok", flush=True)
        with tempfile.TemporaryDirectory(prefix="swath-load-") as name:
            uri = postgres.new_database("served")
            arguments = ("server", "--backend-store-uri", uri, "--workers", "2")
            with mlflow_server(Path(name), free_port(), "/health", *arguments) as address:
                run_eight_workers(Path(name), address, uri)
        print(f"{CONCURRENT_SWEEPS} workers on one tracking server: ok", flush=True)
    finally:
        postgres.close()


def main(configurations: int) -> None:
    """Run all load tests and print the results."""
    run_on_postgres()
    for line in run_many("configurations of a grid", grid_of(configurations), configurations):
        print(line, flush=True)
    # A search keeps the result of each trial, some 20 kB, because later decisions need them.
    for line in run_many("trials of a search", search_of(configurations), configurations, growth=0.15):
        print(line, flush=True)
    with tempfile.TemporaryDirectory(prefix="swath-load-") as name:
        run_concurrent_sweeps(Path(name), None)
    print(f"{CONCURRENT_SWEEPS} concurrent sweeps in one SQLite store: ok", flush=True)
    with tempfile.TemporaryDirectory(prefix="swath-load-") as name:
        arguments = ("server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1")
        with mlflow_server(Path(name), free_port(), "/health", *arguments) as address:
            run_concurrent_sweeps(Path(name), address)
    print(f"{CONCURRENT_SWEEPS} concurrent sweeps on one tracking server: ok", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
