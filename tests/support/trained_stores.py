"""Stores with trained runs, a model and a registered model, and what is in a folder."""

import hashlib
import json
import sqlite3
from pathlib import Path

from mlflow.tracking import MlflowClient

from support.command import swath, swath_compare
from support.models import store_of

DIGITS = ("data=digits", "data.validation_size=300", "max_steps=10")
SWEEP = ("-m", *DIGITS, "learning_rate=1e-6,1e-5")
WITH_MODELS = {"SWATH_POSTPROCESS": "wait"}


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def sweep_id_of(folder: Path) -> str:
    client = MlflowClient(store_of(folder))
    (run,) = client.search_runs(["1"], "tags.`swath.kind` = 'sweep'")
    return str(run.data.tags["swath.sweep_id"])


def make_trained_store(folder: Path) -> Path:
    """Make a store with a sweep, its pictures, a registered model, and a data set of the folder."""
    folder.mkdir()
    done = swath(folder, *SWEEP, **WITH_MODELS)
    assert done.returncode == 0, done.stderr
    assert swath_compare(folder, "ad-hoc", "--register", "softmax").returncode == 0
    (folder / "images").mkdir()
    with sqlite3.connect(folder / "mlflow.db") as database:
        source = json.dumps({"source": str(folder / "images")})
        database.execute("update datasets set dataset_source = ?", (source,))
    return folder
