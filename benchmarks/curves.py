"""Curves as metrics, in a file, or both: bytes in the store, and seconds of storing and reading them.

`python -m benchmarks.curves [REPEATS]` prints a table. Modes are measured in turn, each in a new store.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.table import table
from swath.config import KeptSteps
from swath.tracking import DatasetInfo, MetricBatch, RunInfo, RunSummary, StoreAddress, open_reader, schema
from swath.tracking.store import RunStore

RUNS = 8
"""Lanes that are trained together; their steps are stored in one transaction."""

LENGTHS = {1_000: 250, 10_000: 1_000}
"""Steps of a run: steps that arrive at a time."""

MODES = {
    "metrics": KeptSteps(1, "metrics"),
    "both": KeptSteps(1, "both"),
    "file": KeptSteps(100, "file"),
    "metrics, every 100th": KeptSteps(100, "metrics"),
}

ENDED = RunSummary("FINISHED", {schema.TEST_ACCURACY: 0.5}, tags={schema.BITS: "0" * 64})

REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """What the runs of a store take.

    Attributes:
      bytes: of the database, with its files.
      store_s: seconds of storing the steps and ending the runs.
      read_s: seconds of reading the curves.
    """

    bytes: int
    store_s: float
    read_s: float


def cost_of(kept: KeptSteps, steps: int, folder: Path) -> Cost:
    """Store `RUNS` runs in a new store; 0 steps for what runs take without them."""
    uri = f"sqlite:///{folder}/mlflow.db"
    store = RunStore()
    store.open(StoreAddress(uri, "curves", None))
    tags = {schema.CURVES: kept.curves} if kept.in_file else {}
    info = RunInfo("a run", {}, tags, DatasetInfo("data", "0" * 64, "memory", {}), "", "")
    ids = [store.start_run(key, info) for key in range(RUNS)]
    batches = [_batches(kept, steps, key) for key in range(RUNS)]
    began = time.perf_counter()
    for parts in zip(*batches, strict=True):
        store.log_steps_of_many(list(enumerate(parts)))
    for key in range(RUNS):
        store.end_run(key, ENDED)
    stored = time.perf_counter()
    found = open_reader(uri).curves(ids, schema.PER_STEP) if steps else []
    read_s = time.perf_counter() - stored
    expected = steps if kept.in_file or kept.every == 1 else -(-steps // kept.every)
    assert [len(curve.steps) for curve in found] == [expected] * len(found)
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Cost(files, stored - began, read_s)


def _batches(kept: KeptSteps, steps: int, seed: int) -> list[MetricBatch]:
    """Values like those of a training: accuracies of batches of 100 images, losses with 24 bits."""
    rng = np.random.default_rng(seed)
    found = []
    for first in range(0, steps, LENGTHS.get(steps, 1)):
        count = LENGTHS[steps]
        accuracies = rng.binomial(100, 0.4, count) / 100
        losses = rng.normal(1.7, 0.1, count).astype(np.float32).astype(np.float64)
        values = {schema.TRAIN_ACCURACY: accuracies, schema.TRAIN_LOSS: losses}
        batch = MetricBatch(first, values, rows_every=kept.every)
        found.append(batch if kept.in_file else batch.rows())
    return found


def main(repeats: int) -> None:
    """Print a table with the medians."""
    found: dict[tuple[int, str], list[Cost]] = {}
    for _ in range(repeats):
        for steps in (0, *LENGTHS):
            for mode, kept in MODES.items():
                with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as folder:
                    found.setdefault((steps, mode), []).append(cost_of(kept, steps, Path(folder)))
    rows: list[Sequence[object]] = []
    for steps in LENGTHS:
        for mode in MODES:
            costs, empty = found[steps, mode], found[0, mode]
            kilobytes = (costs[0].bytes - empty[0].bytes) / RUNS / 1_000
            seconds = [
                statistics.median(getattr(cost, name) for cost in costs) / RUNS
                for name in ("store_s", "read_s")
            ]
            rows.append(
                (f"{steps:,}", mode, f"{kilobytes:,.0f}", *(f"{1_000 * each:.1f}" for each in seconds))
            )
    headings = ("steps", "`tracking.curves`", "kB a run", "ms to store a run", "ms to read it")
    print(table(headings, rows))


if __name__ == "__main__":
    main(int((sys.argv[1:] or [str(REPEATS)])[0]))
