"""Everything that a run has computed, and what is recorded of how: what two runs are compared by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.facts import facts_of
from swath.reading.files import read_arrays
from swath.reading.records import Curve, StoredRun
from swath.reading.store import Reader

EVERY_STEPS = "swath.every_steps"

PER_STEP = "train/"
"""Beginning of the names of metrics of every step, of which a run may store each Nth only."""

NOT_COMPUTED = "runtime/"
"""Metrics that are measured, and are other ones each time."""

LAST = "the last "
"""Stands before the name of a metric whose last value MLflow keeps once more."""

LEARNED = ("weights", "biases", "shift", "scale")
PREDICTED = ("validation", "test")


@dataclass(frozen=True)
class RunNumbers:
    """What a run has computed.

    Attributes:
      params: the fields of the configuration, as text.
      facts: what it was made of and with, by tag; see `swath.facts`.
      ending: how it ended: its status, and why where it did not finish.
      curves: every metric that was computed, step by step; one with a single value is a short curve.
      arrays: weights, statistics of the pixels, predicted classes.
      every_steps: of how many steps one is stored.
    """

    params: dict[str, str]
    facts: dict[str, str]
    ending: str
    curves: dict[str, Curve]
    arrays: dict[str, NDArray[Any]]
    every_steps: int


def stored_numbers(reader: Reader, run: StoredRun) -> RunNumbers:
    """The numbers of a run in a store.

    MLflow keeps the last value of each metric once more, for its tables; it counts as well.

    Raises:
      SwathError: a finished run's files cannot be read.
    """
    names = [name for name in run.metrics if not name.startswith(NOT_COMPUTED)]
    curves = {curve.metric: curve for curve in reader.curves([run.run_id], names)}
    for name in names:
        last = np.array([run.last_steps.get(name, 0)], np.int64), np.array([run.metrics[name]])
        curves[f"{LAST}{name}"] = Curve(run.run_id, name, *last)
    arrays = {}
    if run.status == "FINISHED":
        arrays = named_arrays(read_arrays(run, "weights.npz"), read_arrays(run, "predictions.npz"))
    kept = run.tags.get(EVERY_STEPS, "1")
    every_steps = int(kept) if kept.isdecimal() else 1
    return RunNumbers(
        run.params, facts_of(run.tags), ending(run.status, run.tags), curves, arrays, every_steps
    )


def named_arrays(
    learned: Mapping[str, NDArray[Any]], predicted: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The arrays of a finished run by what they are called in a difference."""
    found = {name: learned[name] for name in LEARNED if name in learned}
    for split in PREDICTED:
        found[f"predictions of {split} images"] = predicted[split]
        found[f"labels of {split} images"] = predicted[f"{split}_labels"]
    return found


def ending(status: str, tags: Mapping[str, str]) -> str:
    """How a run ended, in words."""
    return status if status == "FINISHED" else f"{status}: {tags.get('swath.error', 'no reason was stored')}"
