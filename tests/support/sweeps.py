"""Sweeps as they are read from a store, with files and curves, made without training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from swath.analysis import Sweep
from swath.tracking import Curve, StoredRun

SWEEP_ID = "0123456789ab"
START_MS = 1_767_323_045_000
CLASSES = tuple("abcdefghij")
IMAGES = 300
"""Validation images, and test images."""

ENVIRONMENT = {
    "swath.version": "0.2",
    "swath.tensorflow": "2.21.0",
    "swath.numpy": "2.4.6",
    "swath.cpu": "a processor",
    "swath.host": "a machine",
    "mlflow.user": "ada",
}


class MadeReader:
    """A reader of the curves of made runs: a run has a value for each of its `max_steps` steps."""

    moved = None

    def __init__(self, sweep: Sweep) -> None:
        self._runs = {run.run_id: run for run in sweep.runs}

    def runs(self, tags: Mapping[str, str | None], status: str | None = None) -> list[StoredRun]:
        """All runs."""
        return list(self._runs.values())

    def run(self, run_id: str) -> StoredRun | None:
        """A run by its id."""
        return self._runs.get(run_id)

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """Curves that depend on the learning rate and the seed only, so that shorter runs are prefixes."""
        found = []
        for run_id in run_ids:
            params = self._runs[run_id].params
            steps = np.arange(int(params["max_steps"]))
            rate, seed = float(params["learning_rate"]), int(params["seed"])
            noise = np.random.default_rng([int(rate * 1e9), seed]).normal(0, 0.05, len(steps))
            values = 0.5 - 0.4 * np.exp(-steps * rate * 1e4) + noise
            found += [
                Curve(run_id, metric, steps, values if metric.endswith("accuracy") else 3 - values)
                for metric in sorted(metrics)
            ]
        return found


def made_run(
    folder: Path, number: int, accuracy: float, status: str = "FINISHED", **params: object
) -> StoredRun:
    """A run; if it is finished it has weights, predictions and class names in a folder of its own.

    Args:
      folder: where the runs have their folders.
      number: place in the sweep, which is the end of the run's id.
      accuracy: share of the validation images that it classifies correctly; of the test images, half as many.
      status: MLflow's status.
      params: hyperparameters.
    """
    values = {"batch_size": 100, "learning_rate": 1e-6, "max_steps": 40, "seed": 0, **params}
    texts = {name: str(value) for name, value in values.items()}
    run_id = f"{number + 1:08x}" + 24 * "0"
    tags = {**ENVIRONMENT, "swath.kind": "run", "swath.sweep": "grid", "swath.sweep_id": SWEEP_ID}
    place = folder / run_id
    metrics = {}
    if status == "FINISHED":
        metrics = {"validation/accuracy": accuracy, "test/accuracy": accuracy / 2, "test/loss": 2 - accuracy}
        place.mkdir(parents=True)
        _write_files(place, number, accuracy)
    else:
        tags["swath.error"] = "diverged at step 3: loss is nan"
    full = {**texts, "data.name": "digits", "data.validation_size": str(IMAGES)}
    name = f"a run {number}"
    started = START_MS + number
    return StoredRun(run_id, "1", name, status, started, started + 1, str(place), full, metrics, tags)


def _write_files(place: Path, number: int, accuracy: float) -> None:
    weights = np.random.default_rng(number).normal(size=(3072, len(CLASSES))).astype(np.float32)
    np.savez(place / "weights.npz", weights=weights, biases=weights[0], shift=weights[:, 0])
    labels = (np.arange(IMAGES) % len(CLASSES)).astype(np.uint8)
    arrays = {}
    for split, share in (("validation", accuracy), ("test", accuracy / 2)):
        wrong = np.arange(IMAGES) >= round(share * IMAGES)
        arrays |= {split: np.where(wrong, (labels + 1) % 10, labels), f"{split}_labels": labels}
    np.savez(place / "predictions.npz", **arrays)
    (place / "confusion.json").write_text(json.dumps({"classes": CLASSES}))


def made_sweep(runs: Sequence[StoredRun], **tags: str) -> Sweep:
    """A sweep of runs with a summary run.

    Args:
      runs: its runs.
      tags: tags of the summary run, without `swath.`.
    """
    own = {**ENVIRONMENT, "swath.kind": "sweep", "swath.command": "swath -cn grid"}
    own |= {f"swath.{name}": value for name, value in tags.items()}
    summary = StoredRun("f" * 32, "1", "sweep grid", "FINISHED", START_MS, START_MS + 9, "", {}, {}, own)
    return Sweep("grid", SWEEP_ID, tuple(runs), summary)


def made_grid(
    folder: Path,
    batch_sizes: Sequence[int] = (50, 100),
    rates: Sequence[float] = (1e-7, 1e-6, 1e-5),
    steps: Sequence[int] = (40,),
    seeds: Sequence[int] = (0,),
    **tags: str,
) -> Sweep:
    """A sweep over a grid; the learning rate decides most of the accuracy, and 1e-6 is best.

    Args:
      folder: where the runs have their folders.
      batch_sizes: batch sizes.
      rates: learning rates.
      steps: numbers of steps.
      seeds: seeds.
      tags: see `made_sweep`.
    """
    runs = []
    for batch in batch_sizes:
        for rate in rates:
            for most in steps:
                for seed in seeds:
                    accuracy = 0.6 - 0.1 * abs(np.log10(rate) + 6) + batch / 2000 + most / 4000 + seed / 100
                    fields = {"batch_size": batch, "learning_rate": rate, "max_steps": most, "seed": seed}
                    runs.append(made_run(folder, len(runs), round(float(accuracy), 4), **fields))
    return made_sweep(runs, **tags)
