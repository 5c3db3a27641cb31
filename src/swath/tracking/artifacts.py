"""The files that stay with a run."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from numpy.typing import NDArray

from swath.tracking.pictures import draw_weights
from swath.tracking.records import RunArtifacts, RunEnd, RunStart

PNG_COMPRESSION = 2
"""Half the time of Pillow's usual 6, for a file that is a twentieth larger."""


WRITTEN = (
    "config.yaml",
    "confusion.json",
    "environment.txt",
    "overrides.yaml",
    "predictions.npz",
    "weights.npz",
    "weights.png",
)
"""Files that a finished run has; its tag `swath.files` holds their digests."""


@contextmanager
def artifact_folder(client: MlflowClient, run_id: str, artifact_uri: str) -> Iterator[Path]:
    """A folder whose files become a run's artifacts: their own place where that is on this machine.

    Args:
      client: of the store.
      run_id: of the run.
      artifact_uri: where MLflow keeps the run's artifacts.
    """
    if is_local_uri(artifact_uri):
        folder = Path(local_file_uri_to_path(artifact_uri))
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="swath-") as name:
        yield Path(name)
        client.log_artifacts(run_id, name)


def write_artifacts(folder: Path, start: RunStart, end: RunEnd, environment: str) -> dict[str, str]:
    """Write a run's files into `folder`; what was learned only where the run finished.

    `weights.npz`, `predictions.npz`, `weights.png`, `confusion.json`; `config.yaml`, `overrides.yaml`,
    `environment.txt`; `traceback.txt` of a fault.

    Returns:
      The SHA-256 of each file, by its name.
    """
    _write(folder, start, end, environment)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name in WRITTEN
    }


def _write(folder: Path, start: RunStart, end: RunEnd, environment: str) -> None:
    if end.traceback is not None:
        (folder / "traceback.txt").write_text(end.traceback, encoding="utf-8")
    (folder / "config.yaml").write_text(start.config_yaml, encoding="utf-8")
    (folder / "overrides.yaml").write_text(start.overrides_yaml, encoding="utf-8")
    (folder / "environment.txt").write_text(environment, encoding="utf-8")
    learned = end.artifacts
    if learned is None:
        return
    arrays: dict[str, Any] = {"weights": learned.weights, "biases": learned.biases, "shift": learned.shift}
    if learned.scale is not None:
        arrays["scale"] = learned.scale
    np.savez(folder / "weights.npz", **arrays)
    np.savez_compressed(
        folder / "predictions.npz",
        validation=learned.validation_predictions,
        validation_labels=learned.validation_labels,
        test=learned.test_predictions,
        test_labels=learned.test_labels,
    )
    draw_weights(learned.weights, learned.class_names).save(
        folder / "weights.png", compress_level=PNG_COMPRESSION
    )
    (folder / "confusion.json").write_text(json.dumps(_confusion(learned), indent=1) + "\n", encoding="utf-8")


def confusion_counts(
    labels: NDArray[np.uint8], predictions: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """How many images of class i (row) were taken for class j (column): int64 [classes, classes]."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def _confusion(learned: RunArtifacts) -> dict[str, object]:
    counts = confusion_counts(learned.test_labels, learned.test_predictions, len(learned.class_names))
    return {
        "images": "test",
        "classes": list(learned.class_names),
        "rows": "true class",
        "columns": "predicted class",
        "counts": counts.tolist(),
    }
