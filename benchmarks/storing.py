"""Storing per-step values: direct insertion, and MLflow's own calls as with an untested MLflow."""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from swath.tracking import DatasetInfo, MetricBatch, RunInfo, StoreAddress
from swath.tracking.store import RunStore

RUNS = 24
STEPS = 1000
SEGMENT = 250
"""Steps that arrive at a time."""

INFO = RunInfo("a run", {}, {}, DatasetInfo("data", "0" * 64, "memory", {}), "", "")

SIDES = {"direct insertion": True, "MLflow's calls": False}


def seconds_of(direct: bool, folder: Path) -> float:
    """Seconds of storing accuracy and loss of every step of `RUNS` runs in a new SQLite store."""
    store = RunStore()
    store.open(StoreAddress(f"sqlite:///{folder}/mlflow.db", "storing", None))
    assert store._sql_steps is not None, "this version of MLflow was not tested"
    if not direct:
        store._sql_steps = None
    for key in range(RUNS):
        store.start_run(key, INFO)
    values = np.random.default_rng(0).random([2, SEGMENT])
    began = time.perf_counter()
    for first in range(0, STEPS, SEGMENT):
        batch = MetricBatch(first, {"train/accuracy": values[0], "train/loss": values[1]})
        for key in range(RUNS):
            store.log_steps(key, batch)
    seconds = time.perf_counter() - began
    store.close()
    return seconds


def main(repeats: int) -> None:
    """Print the seconds of both sides as JSON, measured in turn."""
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side, direct in SIDES.items():
            with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as folder:
                found[side].append(seconds_of(direct, Path(folder)))
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
