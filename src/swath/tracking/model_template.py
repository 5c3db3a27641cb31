"""The folder of an MLflow model, filled in from one that MLflow has made for a model of the same kind.

Models of two runs differ in their arrays, their ids and their time. MLflow takes seconds of a processor to be
loaded and to save one, so it makes one of each kind, and swath keeps that in the user's cache folder.
"""

import hashlib
import io
import json
import platform
import re
import uuid
import zipfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from swath.system import atomic_write, cache_folder
from swath.tracking.model_files import ARRAYS, CODE, ModelFiles

PACKAGES = ("mlflow", "swath", "cloudpickle", "pip", "setuptools", "wheel")
"""Packages whose versions a model names, or that make it."""

DESCRIPTION = "MLmodel"
"""File that describes a model."""

_ARRAYS_PATH = f"artifacts/{ARRAYS}"


def fill_in(files: ModelFiles, folder: Path, run_id: str, model_id: str) -> None:
    """Write the folder of a model.

    Args:
      files: its parts.
      folder: created.
      run_id: id of the run that has learned the arrays.
      model_id: MLflow's id of the model.

    Raises:
      OSError: the folder cannot be written.
    """
    with zipfile.ZipFile(io.BytesIO(_template(files))) as template:
        template.extractall(folder)
    arrays = folder / _ARRAYS_PATH
    arrays.parent.mkdir(exist_ok=True)
    np.savez(arrays, **dict[str, Any](files.arrays))
    description = folder / DESCRIPTION
    text = description.read_text(encoding="utf-8")
    # MLflow writes the time without its zone, which is UTC.
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    for name, value in (
        ("model_id", model_id),
        ("model_uuid", uuid.uuid4().hex),
        ("run_id", run_id),
        ("utc_time_created", f"'{now}'"),
    ):
        text, count = re.subn(rf"^{name}: .*$", f"{name}: {value}", text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"MLflow's file {DESCRIPTION} has {count} lines {name}")
    description.write_text(text, encoding="utf-8")


def _template(files: ModelFiles) -> bytes:
    """The folder of a model of the same kind without its arrays, as a zip file."""
    path = cache_folder() / "models" / f"{_kind(files)}.zip"
    try:
        return path.read_bytes()
    except OSError:
        content = _made(files)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content, keep_existing=True)
    except OSError:  # a folder that cannot be written costs time only
        pass
    return content


def _made(files: ModelFiles) -> bytes:
    import tempfile

    from swath.tracking.models import save_model

    content = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="swath-") as place, zipfile.ZipFile(content, "w") as archive:
        folder = Path(place) / "model"
        save_model(files, folder, run_id="0" * 32, model_id="m-" + "0" * 32)
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != _ARRAYS_PATH:
                archive.write(path, name)
    return content.getvalue()


def _kind(files: ModelFiles) -> str:
    """A digest of everything on which the folder of a model depends, apart from what is filled in."""
    parts = {
        "arrays": {name: [array.dtype.str, *array.shape] for name, array in files.arrays.items()},
        "classes": files.class_names,
        "image": files.image_shape,
        "requirements": files.requirements,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "code": [path.read_text(encoding="utf-8") for path in (CODE, files.predictor)],
        "predictor": files.predictor.name,
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
