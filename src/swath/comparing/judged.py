"""A sweep's runs ranked, each with how sure its accuracy is and whether it can be told from the best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swath.comparing.order import ordered
from swath.comparing.statistics import CONFIDENCE, paired_p, wilson_interval
from swath.config.datasets import DATASETS
from swath.errors import SwathError
from swath.reading.files import Predictions, read_predictions
from swath.reading.records import StoredRun


@dataclass(frozen=True)
class Judged:
    """A run at its place.

    Attributes:
      place: from 1 up.
      run: the run.
      value: the metric that ranks it.
      interval: the 95 % Wilson interval of an accuracy; None where the metric is none.
      p_best: McNemar's p value against the best; None where predictions are missing.
    """

    place: int
    run: StoredRun
    value: float
    interval: tuple[float, float] | None
    p_best: float | None

    @property
    def like_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_best is not None and self.p_best > 1 - CONFIDENCE


def judge(runs: Sequence[StoredRun], metric: str) -> list[Judged]:
    """Finished runs, best first.

    Args:
      runs: at least one.
      metric: that ranks them.
    """
    best_first = ordered(runs, metric)
    split = split_of(metric)
    best = None if split is None else predictions_of(best_first[0], split)
    judged = []
    for place, run in enumerate(best_first, start=1):
        value = run.metrics.get(metric, math.nan)
        interval = None
        if split is not None and math.isfinite(value) and (images := images_of(run, split)):
            interval = wilson_interval(value, images)
        p_best = None if split is None else _p_against(best, run, split)
        judged.append(Judged(place, run, value, interval, p_best))
    return judged


def _p_against(best: Predictions | None, run: StoredRun, split: str) -> float | None:
    found = None if best is None else predictions_of(run, split)
    if best is None or found is None or not same_images(best, found):
        return None
    return paired_p(best.correct, found.correct)


def same_images(first: Predictions, second: Predictions) -> bool:
    """Whether two runs were evaluated on the same images, as far as labels tell."""
    return np.array_equal(first.labels, second.labels)


def split_of(metric: str) -> str | None:
    """The images that a metric is the accuracy on: `validation` or `test`; None for any other metric."""
    split, _, kind = metric.partition("/")
    return split if kind == "accuracy" and split in ("validation", "test") else None


def predictions_of(run: StoredRun, split: str) -> Predictions | None:
    """What a run makes of the images of a split; None where that was not kept or cannot be read."""
    try:
        return read_predictions(run, split)
    except SwathError:
        return None


def images_of(run: StoredRun, split: str) -> int:
    """How many images an accuracy of a run is measured on; 0 where that is not known."""
    if split == "validation":
        return int(run.params.get("data.validation_size", 0))
    dataset = DATASETS.get(run.params.get("data.name", ""))
    return 0 if dataset is None else dataset.test_images
