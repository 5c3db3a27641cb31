"""Find the best run of a sweep, and load its model as a user would."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

MAX_LOGIT_GAP = 1e-5
"""If the two largest logits differ by less, the order of summation may decide the class."""


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def best_run(folder: Path) -> Run:
    client = MlflowClient(store_of(folder))
    experiment = client.get_experiment_by_name("swath")
    (own,) = client.search_runs([experiment.experiment_id], "tags.`swath.kind` = 'sweep'")
    return client.get_run(own.data.tags["swath.best_run_id"])


def load_npz(run: Run, name: str) -> Any:
    return np.load(Path(run.info.artifact_uri.removeprefix("file://")) / name)


@contextlib.contextmanager
def use_store(folder: Path) -> Iterator[None]:
    """Set the tracking URI of the process, because MLflow ignores the client's when it loads a model."""
    mlflow.set_tracking_uri(store_of(folder))
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)


def load_model(run: Run, folder: Path) -> Any:
    with use_store(folder):
        return mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")


def assert_same_classes(predicted: NDArray[Any], run: Run, images: NDArray[np.uint8]) -> None:
    """Assert that classes equal those in `predictions.npz`, except where two logits almost tie."""
    stored = load_npz(run, "predictions.npz")["test"]
    others = np.flatnonzero(predicted != stored)
    with load_npz(run, "weights.npz") as arrays:
        pixels = (images[others].astype(np.float64) - arrays["shift"]) * arrays.get("scale", 1)
        logits = np.sort(pixels @ arrays["weights"].astype(np.float64) + arrays["biases"], axis=1)
    assert (logits[:, -1] - logits[:, -2] < MAX_LOGIT_GAP).all()
