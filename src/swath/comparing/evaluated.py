"""Which images each run classifies correctly, read back for paired tests."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.config.datasets import DATASETS
from swath.errors import SwathError
from swath.reading.files import read_predictions
from swath.reading.records import StoredRun

AT_ONCE = 8
"""Files that are asked for at a time; a server needs a moment for each."""


@dataclass(frozen=True)
class Answers:
    """What a run makes of the images that a metric is measured on.

    Attributes:
      images: what tells the images from others: the digest of the data, and the labels.
      correct: bool [images], which are classified correctly.
    """

    images: tuple[str, bytes]
    correct: NDArray[np.bool_]


def read_answers(runs: Sequence[StoredRun], metric: str) -> dict[str, Answers]:
    """The answers of runs by their ids; those that were not kept or cannot be read are left out.

    Args:
      runs: finished.
      metric: an accuracy; for any other metric there are none.
    """
    split = split_of(metric)
    if split is None:
        return {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda run: _answers(run, split), runs)
        return {run.run_id: answers for run, answers in zip(runs, found, strict=True) if answers is not None}


def _answers(run: StoredRun, split: str) -> Answers | None:
    try:
        predictions = read_predictions(run, split)
    except SwathError:
        return None
    if predictions is None:
        return None
    images = run.tags.get("swath.data_digest", ""), predictions.labels.tobytes()
    return Answers(images, predictions.correct)


def split_of(metric: str) -> str | None:
    """The images that a metric is the accuracy on: `validation` or `test`; None for any other metric."""
    split, _, kind = metric.partition("/")
    return split if kind == "accuracy" and split in ("validation", "test") else None


def images_of(run: StoredRun, metric: str) -> int:
    """How many images an accuracy of a run is measured on; 0 where it is none, or where that is not known."""
    split = split_of(metric)
    if split == "validation":
        return int(run.params.get("data.validation_size", 0))
    dataset = DATASETS.get(run.params.get("data.name", ""))
    return 0 if split is None or dataset is None else dataset.test_images
