"""The artifact files of a run: written when it ends, read back later."""

import hashlib
import io
import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from swath.errors import AwayError, SwathError, passes
from swath.metrics import confusion_counts
from swath.models import MODELS
from swath.system import hide_passwords
from swath.tracking import schema
from swath.tracking.artifact_place import kind_of, reason_of
from swath.tracking.client import Client
from swath.tracking.locations import local_path
from swath.tracking.repeating import patiently
from swath.tracking.run_records import RunArtifacts, RunInfo, RunSummary
from swath.tracking.stored_runs import StoredRun

PNG_COMPRESSION = 2
"""Takes half the time of Pillow's default 6; the file is a twentieth larger."""


WRITTEN = (
    schema.CONFIG_FILE,
    schema.CONFUSION_FILE,
    schema.ENVIRONMENT_FILE,
    schema.OPTIMIZER_FILE,
    schema.OVERRIDES_FILE,
    schema.PREDICTIONS_FILE,
    schema.WEIGHTS_FILE,
    schema.WEIGHTS_IMAGE_FILE,
)
"""Files of a finished run whose digests are in its tag `swath.files`."""


@contextmanager
def artifact_folder(client: Client, artifact_uri: str) -> Iterator[Path]:
    """A folder whose files become a run's artifacts; on this machine, the artifact location itself.

    Args:
      client: client of the store.
      artifact_uri: artifact location of the run.
    """
    folder = local_path(artifact_uri)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="swath-") as name:
        yield Path(name)
        patiently(lambda: _send(client, artifact_uri, name))


def _send(client: Client, artifact_uri: str, folder: str) -> None:
    try:
        # The client would ask the server where the run keeps its files.
        _repository(artifact_uri, client.tracking_uri).log_artifacts(folder)
    except Exception as error:
        raise kind_of(error)(
            f"artifacts cannot be written to {hide_passwords(artifact_uri)}: {reason_of(error)}"
        ) from error


@lru_cache(1_000)
def _repository(artifact_uri: str, tracking_uri: str) -> Any:
    """MLflow's access to the files of a run; some kinds connect when they are made."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(artifact_uri, tracking_uri=tracking_uri)


def write_files(client: Client, artifact_uri: str, folder: Path) -> None:
    """Add the files of a folder to those of a run."""
    with artifact_folder(client, artifact_uri) as place:
        for path in sorted(folder.rglob("*")):
            copy = place / path.relative_to(folder)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
            else:  # without its rights: a temporary folder is its owner's alone
                shutil.copyfile(path, copy)


def write_artifacts(folder: Path, start: RunInfo, end: RunSummary, environment: str) -> dict[str, str]:
    """Write a run's files into `folder`; learned arrays and predictions only if the run finished.

    Returns:
      The SHA-256 of each file of `WRITTEN`, by name.
    """
    _write(folder, start, end, environment)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name in WRITTEN
    }


def _write(folder: Path, start: RunInfo, end: RunSummary, environment: str) -> None:
    if end.traceback is not None:
        (folder / schema.TRACEBACK_FILE).write_text(end.traceback, encoding="utf-8")
    (folder / schema.CONFIG_FILE).write_text(start.config_yaml, encoding="utf-8")
    (folder / schema.OVERRIDES_FILE).write_text(start.overrides_yaml, encoding="utf-8")
    (folder / schema.ENVIRONMENT_FILE).write_text(environment, encoding="utf-8")
    artifacts = end.artifacts
    if artifacts is None:
        return
    np.savez(folder / schema.WEIGHTS_FILE, **dict[str, Any](artifacts.learned()))
    np.savez_compressed(folder / schema.PREDICTIONS_FILE, **dict[str, Any](artifacts.predicted()))
    if state := artifacts.optimizer_state():
        np.savez(folder / schema.OPTIMIZER_FILE, **dict[str, Any](state))
    model = MODELS.get(artifacts.model)  # a model of a program is known to the training process only
    if model is not None and model.picture is not None:
        picture = model.draw(artifacts.parameters(), artifacts.image_shape, artifacts.class_names)
        picture.save(folder / schema.WEIGHTS_IMAGE_FILE, compress_level=PNG_COMPRESSION)
    (folder / schema.CONFUSION_FILE).write_text(
        json.dumps(_confusion(artifacts), indent=1) + "\n", encoding="utf-8"
    )


def _confusion(learned: RunArtifacts) -> dict[str, object]:
    """Of the test images, or of the validation images where a search has not evaluated the test images."""
    tested = bool(learned.test_labels.size)
    truth = learned.test_labels if tested else learned.validation_labels
    predicted = learned.test_predictions if tested else learned.validation_predictions
    return {
        "images": schema.SPLITS[1] if tested else schema.SPLITS[0],
        "classes": list(learned.class_names),
        "rows": "true class",
        "columns": "predicted class",
        "counts": confusion_counts(truth, predicted, len(learned.class_names)).tolist(),
    }


@dataclass(frozen=True)
class Predictions:
    """Predicted and true classes of the images of a split.

    Attributes:
      classes: uint8 [images], the predicted class.
      labels: uint8 [images], the true class.
    """

    classes: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which images are classified correctly: bool [images]."""
        return np.equal(self.classes, self.labels)


@dataclass(frozen=True)
class Weights:
    """Learned arrays of a run. The inputs of its model are `(pixels - shift) * scale`.

    Attributes:
      arrays: float32 arrays of the model by name: `weights` [pixels, classes] and `biases` [classes] of
        softmax regression; `weights_1` [pixels, units], `biases_1` [units], `weights_2`, ... of a multilayer
        perceptron.
      shift: float32 [pixels]
      scale: float32 [pixels]; None for 1.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32] | None

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """An array of the model by its name."""
        return self.arrays[name]

    @property
    def weights(self) -> NDArray[np.float32]:
        """The array `weights`, of models that have one."""
        return self.arrays["weights"]

    @property
    def biases(self) -> NDArray[np.float32]:
        """The array `biases`, of models that have one."""
        return self.arrays["biases"]


def read_weights(run: StoredRun) -> Weights:
    """The weights of a finished run.

    Raises:
      SwathError: the run has no weights, or the file cannot be read.
    """
    arrays = read_arrays(run, schema.WEIGHTS_FILE)
    shift, scale = arrays.pop("shift"), arrays.pop("scale", None)
    return Weights(arrays, shift, scale)


def read_predictions(run: StoredRun, split: str) -> Predictions | None:
    """The predictions of a finished run on a split; None if they were not stored.

    Args:
      run: the run.
      split: `validation` or `test`.

    Raises:
      SwathError: the run has no such file, or the file cannot be read.
    """
    arrays = read_arrays(run, schema.PREDICTIONS_FILE)
    if f"{split}_labels" not in arrays or not arrays[split].size:
        return None
    return Predictions(arrays[split], arrays[f"{split}_labels"])


def read_class_names(run: StoredRun) -> tuple[str, ...]:
    """The class names, in the order of the labels.

    Raises:
      SwathError: the run has no such file, or the file cannot be read.
    """
    return tuple(json.loads(read_bytes(run, schema.CONFUSION_FILE))["classes"])


def read_bytes(run: StoredRun, name: str) -> bytes:
    """The content of a file of a run.

    Raises:
      SwathError: the run has no such file, or the file cannot be read.
    """
    folder = local_path(run.artifact_uri)
    try:
        if folder is not None:
            return (folder / name).read_bytes()
        with tempfile.TemporaryDirectory(prefix="swath-") as downloads:
            file = Path(downloads) / "file"
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            # MLflow's public call lists the artifacts first, and draws a bar for each file.
            repository = get_artifact_repository(run.artifact_uri, tracking_uri=run.store or None)
            repository._download_file(name, str(file))
            return file.read_bytes()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        is_away = passes(error) if folder is not None else kind_of(error) is AwayError
        kind = AwayError if is_away else SwathError
        raise kind(f"run {run.run_id}: {name} cannot be read ({reason})") from error


def read_arrays(run: StoredRun, name: str) -> dict[str, NDArray[Any]]:
    """The arrays in an `.npz` file of a run; pickled objects are refused.

    Raises:
      SwathError: the run has no such file, or the file is damaged.
    """
    content = read_bytes(run, name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as arrays:
            return {entry.removesuffix(".npy"): _array(arrays.read(entry)) for entry in arrays.namelist()}
    except Exception as error:
        raise SwathError(f"run {run.run_id}: {name} is damaged ({error})") from error


def _array(content: bytes) -> NDArray[Any]:
    """The array in the content of an `.npy` file.

    NumPy itself parses the header of each array as Python source. That is most of the time of reading the
    predictions of ten thousand runs, whose headers are all the same.

    Raises:
      ValueError: the content is damaged, or holds pickled objects.
    """
    wide = content[6:7] != b"\x01"  # later versions of the format have longer headers
    start = (12 if wide else 10) + int.from_bytes(content[8 : 12 if wide else 10], "little")
    shape, order, dtype = _header(content[:start])
    count = math.prod(shape)
    return np.frombuffer(content, dtype, count, start).reshape(shape, order=order).copy(order)


@lru_cache(1_000)
def _header(content: bytes) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]:
    """Shape, order and type of an array, by the beginning of its `.npy` file."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    return shape, "F" if is_fortran else "C", dtype
