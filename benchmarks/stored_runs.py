"""Stores runs through the tracking process, as a sweep does: a child of `benchmarks.stores`.

`python stored_runs.py URI ARTIFACTS` opens the store and prints a line. For each line on standard input it
stores `RUNS` runs and prints the seconds that a run took. It uses what the python's own swath has had since
version 0.1, so that two checkouts can be compared.
"""

import sys
import time
from pathlib import Path

import numpy as np

from swath.tracking import (
    DatasetInfo,
    MetricBatch,
    MlflowTracker,
    RunArtifacts,
    RunInfo,
    RunSummary,
    StoreAddress,
)

RUNS, STEPS, SEGMENT = 24, 1_000, 250
"""Lanes of a group, their steps, and the steps that arrive at a time."""


def artifacts_of_a_run() -> RunArtifacts:
    """Files as those of a run on CIFAR-10."""
    labels, no_labels = np.zeros(10_000, np.uint8), np.zeros(0, np.uint8)
    return RunArtifacts(
        model="softmax_regression",
        arrays={"weights": np.zeros((3072, 10), np.float32), "bias": np.zeros(10, np.float32)},
        shift=np.zeros(3072, np.float32),
        scale=None,
        validation_predictions=no_labels,
        validation_labels=no_labels,
        test_predictions=labels,
        test_labels=labels,
        image_shape=(3, 32, 32),
        class_names=tuple("abcdefghij"),
    )


def info_of_a_run() -> RunInfo:
    """What a run says of itself when it begins."""
    params = {"batch_size": "100", "learning_rate": "1e-06", "max_steps": str(STEPS), "seed": "0"}
    dataset = DatasetInfo("made", "0" * 64, "memory", {})
    return RunInfo("a run", params, {"swath.kind": "run"}, dataset, "a: 1\n", "[]\n")


def store_runs(tracker: MlflowTracker) -> float:
    """Seconds for each of `RUNS` runs, from the first call to the last answer."""
    random = np.random.default_rng(0)
    info, artifacts = info_of_a_run(), artifacts_of_a_run()
    began = time.perf_counter()
    runs = [tracker.start_run(info) for _ in range(RUNS)]
    for first in range(0, STEPS, SEGMENT):
        values = random.random([2, SEGMENT])
        for run in runs:
            run.log(MetricBatch(first, {"train/accuracy": values[0], "train/loss": values[1]}))
    for run in runs:
        summary = RunSummary(
            "FINISHED", {"test/accuracy": 0.5}, artifacts=artifacts, tags={"swath.bits": "b"}
        )
        run.end(summary)
    for run in runs:
        run.flush()
    return (time.perf_counter() - began) / RUNS


def main(uri: str, artifacts: str | None) -> None:
    """Store runs whenever a line arrives."""
    tracker = MlflowTracker()
    tracker.open(StoreAddress(uri, f"side {Path(sys.prefix).parent.name}", artifacts)).result()
    print("opened", flush=True)
    for _ in sys.stdin:
        print(store_runs(tracker), flush=True)
    tracker.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
