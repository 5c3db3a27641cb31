"""The same sweep by threads, by worker processes and by Slurm: duration, and time to the first step.

`python -m benchmarks.launched [REPEATS] [ARGUMENT ...]`. $SWATH_POSTGRES is the address of a PostgreSQL
server, whose user may make databases; $SWATH_DATA_DIR has CIFAR-10. Slurm is a side if $SLURM_CONF is set.
The arguments are those of the sweep: by default `-cn grid max_steps=4000,12000`. Sides are measured in turn,
each in an empty database. It prints, as JSON by side, the seconds of the whole command and those from its
start to the first step, by the clock of the first row of a training loss.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import sqlalchemy

from benchmarks.processes import measure

SWATH = Path(sys.executable).with_name("swath")

SWEEP = ("-cn", "grid", "max_steps=4000,12000")

SIDES = {
    "threads": ("executor=threads",),
    "processes": ("executor=processes", "executor.workers=2", "executor.cpus=1"),
    "slurm": ("executor=slurm", "executor.workers=2", "executor.cpus=1"),
    "slurm, one worker": ("executor=slurm", "executor.workers=1", "executor.cpus=1"),
}
"""Two workers that load TensorFlow and MLflow at once on the machine's two cores take twice as long for it as
one, or as two on machines of their own."""

FIRST = "select min(timestamp) from metrics where key = 'train/loss'"


def times(repeats: int, sweep: tuple[str, ...]) -> dict[str, dict[str, list[float]]]:
    """Seconds of the command, and to its first step, by side."""
    url = sqlalchemy.make_url(os.environ["SWATH_POSTGRES"])
    server = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    kept = {name: os.environ[name] for name in ("SWATH_DATA_DIR", "SLURM_CONF") if name in os.environ}
    sides = dict(SIDES)
    if not os.environ.get("SLURM_CONF"):
        sides = {side: each for side, each in sides.items() if not side.startswith("slurm")}
    found: dict[str, dict[str, list[float]]] = {side: {"whole": [], "first": []} for side in sides}
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name, server.connect() as connection:
        for number in range(repeats):
            for side, executor in sides.items():
                database = f"swath_{uuid.uuid4().hex[:8]}"
                connection.exec_driver_sql(f"CREATE DATABASE {database}")
                uri = url.set(database=database).render_as_string(hide_password=False)
                folder = Path(name) / database
                folder.mkdir()
                began = time.time()
                arguments = [*sweep, *executor, "tracking.postprocess=off"]
                measured = measure([str(SWATH), *arguments], folder, {**kept, "MLFLOW_TRACKING_URI": uri})
                engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
                with engine.connect() as store:
                    first_ms = store.exec_driver_sql(FIRST).scalar()
                assert first_ms is not None
                found[side]["whole"].append(measured.wall_s)
                found[side]["first"].append(first_ms / 1000 - began)
                connection.exec_driver_sql(f"DROP DATABASE {database} WITH (FORCE)")
                print(
                    f"{number + 1}: {side}: {measured.wall_s:.1f} s, first step after "
                    f"{found[side]['first'][-1]:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
    for side, values in found.items():
        medians = {what: statistics.median(each) for what, each in values.items()}
        print(f"{side}: {medians['whole']:.1f} s, first step after {medians['first']:.1f} s", file=sys.stderr)
    return found


if __name__ == "__main__":
    given = sys.argv[1:]
    print(json.dumps(times(int(given[0]) if given else 3, tuple(given[1:]) or SWEEP)))
