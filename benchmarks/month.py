"""A share of a million configurations of 1,000 steps, stored in PostgreSQL: rows, bytes and seconds.

`python -m benchmarks.month [RUNS]` stores `RUNS` runs (10,000, one in a hundred) in two ways: with a row for
each step, and with the steps in a file and a row for each hundredth. $SWATH_POSTGRES is the address of a
PostgreSQL server, whose user may make databases. It prints, as JSON: seconds of a run in each tenth of the
runs, processor seconds of a run by process, rows and bytes of each table, files and bytes of artifacts; and
seconds and memory of planning, and of dividing a plan into lots.
"""

import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy

from benchmarks.many_runs import grid
from benchmarks.processes import measure
from benchmarks.stored_runs import RUNS, SEGMENT, STEPS, artifacts_of_a_run, info_of_a_run
from swath.cli.validation import check_command
from swath.config import default_sweep_config, register
from swath.datasets import spec_of
from swath.planning import LaneWidths, divide, plan_groups, read_verified
from swath.tracking import MetricBatch, MlflowTracker, RunSummary, StoreAddress

MODES: dict[str, dict[str, int]] = {"metrics": {}, "file": {"rows_every": 100}}
"""Arguments of a `MetricBatch` for each value of `tracking.curves`."""

PLANNED = (10_000, 100_000)

WORKERS = 100

TABLES = ("runs", "metrics", "latest_metrics", "params", "tags", "inputs")


def store(uri: str, folder: Path, runs: int, mode: str) -> dict[str, Any]:
    """Store runs, a lane group at a time; see the module."""
    tracker = MlflowTracker()
    tracker.open(StoreAddress(uri, "month", str(folder / "artifacts"))).result()
    tenths: list[float] = []
    before = _processor_s()
    for _ in range(10):
        began, groups = time.perf_counter(), max(1, runs // 10 // RUNS)
        for _ in range(groups):
            _store_group(tracker, mode)
        tenths.append((time.perf_counter() - began) / (groups * RUNS))
        print(f"{mode}: {1000 * tenths[-1]:.0f} ms a run", file=sys.stderr, flush=True)
    count = 10 * groups * RUNS
    after = _processor_s()
    tracker.close()
    return {
        "runs": count,
        "run_s": tenths,
        "processor_s": {name: (after[name] - before.get(name, 0.0)) / count for name in after},
        "tables": _tables(uri),
        "files": _files(folder / "artifacts"),
    }


def _store_group(tracker: MlflowTracker, mode: str) -> None:
    random = np.random.default_rng()
    info, artifacts = info_of_a_run(), artifacts_of_a_run()
    loggers = [tracker.start_run(info) for _ in range(RUNS)]
    for first in range(0, STEPS, SEGMENT):
        for logger in loggers:
            accuracies = random.integers(0, 101, SEGMENT) / 100
            values = {"train/accuracy": accuracies, "train/loss": random.random(SEGMENT)}
            logger.log(MetricBatch(first, values, **MODES[mode]))
    for logger in loggers:
        summary = RunSummary(
            "FINISHED", {"test/accuracy": 0.5}, artifacts=artifacts, tags={"swath.bits": "b"}
        )
        logger.end(summary)
    for logger in loggers:
        logger.flush()


def _processor_s() -> dict[str, float]:
    """Processor seconds so far of this process, of the tracking process, and of PostgreSQL."""
    found = {"training process": sum(psutil.Process().cpu_times()[:2])}
    tracking = [sum(child.cpu_times()[:2]) for child in psutil.Process().children(recursive=True)]
    servers = [
        sum(process.cpu_times()[:2])
        for process in psutil.process_iter(["name"])
        if process.info["name"] == "postgres"
    ]
    return found | {"tracking process": sum(tracking), "PostgreSQL": sum(servers)}


def _tables(uri: str) -> dict[str, dict[str, int]]:
    """Rows and bytes, with indexes, of each table."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:

        def ask(query: str) -> int:
            return int(connection.exec_driver_sql(query).scalar() or 0)

        return {
            name: {
                "rows": ask(f"select count(*) from {name}"),
                "bytes": ask(f"select pg_total_relation_size('{name}')"),
            }
            for name in TABLES
        }


def _files(folder: Path) -> dict[str, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"count": len(sizes), "bytes": sum(sizes)}


def plans(folder: Path) -> list[dict[str, Any]]:
    """Seconds and memory of planning, and of dividing the plan into lots."""
    found = []
    register()
    for count in PLANNED:
        arguments = grid(count)
        planned = measure([str(Path(sys.executable).with_name("swath")), *arguments, "dry_run=true"], folder)
        configs = check_command("config", arguments[1:], True, ()).configs
        key = configs[0].data.key
        began = time.perf_counter()
        widths = LaneWidths(
            default_sweep_config().lanes.max, 4 << 30, read_verified(), {key: spec_of(key, None)}
        )
        groups = plan_groups(configs, widths, WORKERS)
        lots = divide(groups, WORKERS, 1, {key: spec_of(key, None)})
        divided_s = time.perf_counter() - began
        found.append(
            {
                "configurations": count,
                "plan_s": planned.wall_s,
                "plan_mb": planned.peak_bytes / 1e6,
                "divide_s": divided_s,
                "groups": len(groups),
                "lots": len(lots),
            }
        )
    return found


def main(runs: int) -> None:
    """Print everything as JSON."""
    url = sqlalchemy.make_url(os.environ["SWATH_POSTGRES"])
    server = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name, server.connect() as connection:
        found["plans"] = plans(Path(name))
        for mode in MODES:
            database = f"swath_{uuid.uuid4().hex[:8]}"
            connection.exec_driver_sql(f"CREATE DATABASE {database}")
            try:
                uri = url.set(database=database).render_as_string(hide_password=False)
                found[mode] = store(uri, Path(name) / mode, runs, mode)
            finally:
                connection.exec_driver_sql(f"DROP DATABASE {database} WITH (FORCE)")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
