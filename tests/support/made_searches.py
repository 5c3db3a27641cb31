"""Searches as they are read from a store, made without training."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from support.sweeps import MadeReader, made_run, made_sweep
from swath.analysis import Sweep
from swath.tracking import Curve, StoredRun

SPACE = ("learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
RECORD = {
    "space": list(SPACE),
    "fixed": ["data=digits", "max_steps=100"],
    "sampler": "random",
    "seed": 0,
    "rungs": [10, 40, 100],
    "factor": 4,
    "objective": "validation/accuracy",
    "test": "finalists",
    "confirm": 2,
    "confirm_seeds": 2,
    "round_size": 0,
    "trials": 8,
    "rounds": [8],
    "when": [],
}
RUNGS = (10, 40, 100)
RATES = ("1e-08", "1e-07", "1e-06", "2e-06", "5e-06", "1e-05", "5e-05", "9.99e-05")
VALUES: tuple[tuple[float, ...], ...] = (
    (0.1,),
    (0.2,),
    (0.5, 0.7, 0.85),
    (0.55, 0.75, 0.9),
    (0.45, 0.65),
    (0.4,),
    (0.3, math.nan),
    (),
)
"""The objective of each trial at its rungs; the last two have failed, the last one before its first rung."""

CONFIRMED: Mapping[int, tuple[float, ...]] = {2: (0.88, 0.9), 3: (0.8, 0.82)}
"""The objective of each finalist with other seeds: trial 3 is best with one seed, trial 2 over three."""


class SearchReader(MadeReader):
    """A reader of the curves of a made search."""

    def __init__(self, sweep: Sweep, values: Sequence[Sequence[float]] = VALUES) -> None:
        super().__init__(sweep)
        self._values = values

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """The values at rungs, or else the curves of `MadeReader`."""
        if not metrics[0].startswith("rung/"):
            return super().curves(run_ids, metrics)
        found = []
        for run_id in run_ids:
            values = self._values[int(self._runs[run_id].tags["swath.search.trial"])]
            if values:
                found.append(Curve(run_id, metrics[0], np.array(RUNGS[: len(values)]), np.array(values)))
        return found


def made_search(
    folder: Path,
    values: Sequence[Sequence[float]] = VALUES,
    confirmed: Mapping[int, Sequence[float]] = CONFIRMED,
    **record: object,
) -> Sweep:
    """A search with trials that were stopped, failed and confirmed, and its manifest.

    Args:
      folder: where the runs have their folders.
      values: the objective of each trial at its rungs.
      confirmed: the objective of finalists with other seeds.
      record: other values of the manifest's `search`.
    """
    runs = []
    for number, at in enumerate(values):
        has_failed = not at or math.isnan(at[-1])
        steps = 4 if not at else RUNGS[len(at) - 1]
        point = {"learning_rate": RATES[number % len(RATES)], "batch_size": "50" if number % 2 else "20"}
        fields = {**point, "learning_rate": float(point["learning_rate"]), "max_steps": steps}
        run = made_run(
            folder, len(runs), 0 if has_failed else at[-1], "FAILED" if has_failed else "FINISHED", **fields
        )
        runs.append(_of_search(run, number, "trial", steps, point))
    for number, others in confirmed.items():
        for seed, value in enumerate(others, start=1):
            fields = {
                name: runs[number].params[name] for name in ("learning_rate", "batch_size", "max_steps")
            }
            fields["learning_rate"] = float(fields["learning_rate"])
            run = made_run(folder, len(runs), value, seed=seed, **fields)
            runs.append(_of_search(run, number, "confirm", RUNGS[-1], {}))
    sweep = made_sweep(runs)
    assert sweep.summary_run is not None
    place = folder / "summary"
    place.mkdir()
    (place / "sweep-manifest.json").write_text(json.dumps({"search": {**RECORD, **record}}))
    return replace(sweep, summary_run=replace(sweep.summary_run, artifact_uri=str(place)))


def _of_search(run: StoredRun, number: int, stage: str, steps: int, point: Mapping[str, str]) -> StoredRun:
    tags = {**run.tags, "swath.search.stage": stage, "swath.search.trial": str(number)}
    metrics = run.metrics
    if stage == "trial":
        tags |= {"swath.search.round": "0", "swath.search.point": json.dumps(point)}
        tags["swath.search.why"] = (
            f"stopped at {steps}" if steps < RUNGS[-1] else "trained to its full length"
        )
        if steps < RUNGS[-1]:
            metrics = {name: value for name, value in metrics.items() if not name.startswith("test/")}
    return replace(run, tags=tags, metrics=metrics, last_steps={"train/loss": steps - 1})
