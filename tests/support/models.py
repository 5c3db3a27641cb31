"""Find the best run of a sweep, and load its model as a user would."""

import contextlib
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from swath.models import model_of

MAX_LOGIT_GAP = 1e-4
"""If the two largest logits differ by less, the order of summation may decide the class."""


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def best_run(folder: Path) -> Run:
    """The best run of the only sweep of a store, or its only run."""
    client = MlflowClient(store_of(folder))
    experiment = client.get_experiment_by_name("swath")
    own = client.search_runs([experiment.experiment_id], "tags.`swath.kind` = 'sweep'")
    if own:
        return client.get_run(own[0].data.tags["swath.best_run_id"])
    (only,) = client.search_runs([experiment.experiment_id], "tags.`swath.kind` = 'run'")
    return only


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
    predictor = runpy.run_path(str(model_of(run.data.params).predictor))["logits"]
    with load_npz(run, "weights.npz") as arrays:
        logits = np.sort(predictor(dict(arrays), images[others]), axis=1)
    assert (logits[:, -1] - logits[:, -2] < MAX_LOGIT_GAP).all()
