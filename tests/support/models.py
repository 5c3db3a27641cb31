"""The model of a sweep's best run, found and loaded as its user would."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

LARGEST_GAP = 1e-5
"""Difference between the two largest logits below which two ways to add up may disagree about the class."""


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def best_run(folder: Path) -> Run:
    client = MlflowClient(store_of(folder))
    experiment = client.get_experiment_by_name("swath")
    (own,) = client.search_runs([experiment.experiment_id], "tags.`swath.kind` = 'sweep'")
    return client.get_run(own.data.tags["swath.best_run_id"])


def file_of(run: Run, name: str) -> Any:
    return np.load(Path(run.info.artifact_uri.removeprefix("file://")) / name)


@contextlib.contextmanager
def using(folder: Path) -> Iterator[None]:
    """MLflow reads a model's entry from the store that is set for the process, whatever the client's is."""
    mlflow.set_tracking_uri(store_of(folder))
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)


def load_model(run: Run, folder: Path) -> Any:
    with using(folder):
        return mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")


def assert_same_classes(predicted: NDArray[Any], run: Run, images: NDArray[np.uint8]) -> None:
    """Classes as `predictions.npz` has them, but where the two best are as good as equal."""
    stored = file_of(run, "predictions.npz")["test"]
    others = np.flatnonzero(predicted != stored)
    with file_of(run, "weights.npz") as arrays:
        pixels = (images[others].astype(np.float64) - arrays["shift"]) * arrays.get("scale", 1)
        logits = np.sort(pixels @ arrays["weights"].astype(np.float64) + arrays["biases"], axis=1)
    assert (logits[:, -1] - logits[:, -2] < LARGEST_GAP).all()
