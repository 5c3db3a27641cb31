"""The files of a run, read back."""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.reading.records import StoredRun


@dataclass(frozen=True)
class Predictions:
    """What a run takes images for, and what they are.

    Attributes:
      classes: uint8 [images], the predicted class.
      labels: uint8 [images], the true one.
    """

    classes: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which images are classified correctly: bool [images]."""
        return np.equal(self.classes, self.labels)


@dataclass(frozen=True)
class Weights:
    """What a run has learned: `((pixels - shift) * scale) @ weights + biases` are its logits.

    Attributes:
      weights: float32 [3072, classes]
      biases: float32 [classes]
      shift: float32 [3072]
      scale: float32 [3072]; None for 1.
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32] | None


def read_weights(run: StoredRun) -> Weights:
    """The weights of a finished run.

    Raises:
      SwathError: the run has none, or its file cannot be read.
    """
    arrays = read_arrays(run, "weights.npz")
    return Weights(arrays["weights"], arrays["biases"], arrays["shift"], arrays.get("scale"))


def read_predictions(run: StoredRun, split: str) -> Predictions | None:
    """What a finished run makes of the images of a split; None where they were not kept.

    Args:
      run: the run.
      split: `validation` or `test`.

    Raises:
      SwathError: the run has no such file, or it cannot be read.
    """
    arrays = read_arrays(run, "predictions.npz")
    if f"{split}_labels" not in arrays or not arrays[split].size:
        return None
    return Predictions(arrays[split], arrays[f"{split}_labels"])


def read_class_names(run: StoredRun) -> tuple[str, ...]:
    """The names of the classes, in the order of their numbers.

    Raises:
      SwathError: the run has no such file, or it cannot be read.
    """
    return tuple(json.loads(read_bytes(run, "confusion.json"))["classes"])


def read_bytes(run: StoredRun, name: str) -> bytes:
    """A file of a run.

    Raises:
      SwathError: the run has no such file, or it cannot be read.
    """
    try:
        if is_local_uri(run.artifact_uri):
            return (Path(local_file_uri_to_path(run.artifact_uri)) / name).read_bytes()
        with tempfile.TemporaryDirectory(prefix="swath-") as folder:
            file = Path(folder) / "file"
            # MLflow's own way in asks a server for a list first, and draws a bar for each file.
            repository = get_artifact_repository(run.artifact_uri, tracking_uri=run.store or None)
            repository._download_file(name, str(file))
            return file.read_bytes()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SwathError(f"run {run.run_id}: {name} cannot be read ({reason})") from error


def read_arrays(run: StoredRun, name: str) -> dict[str, NDArray[Any]]:
    """The arrays in an `.npz` file of a run; nothing in it is unpickled.

    Raises:
      SwathError: the run has no such file, or it is damaged.
    """
    content = read_bytes(run, name)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:
        raise SwathError(f"run {run.run_id}: {name} is damaged ({error})") from error
