"""What an MLflow model of a run consists of, read from the files of the run, without MLflow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.config import computed_values, read_params
from swath.errors import SwathError
from swath.models import DEFAULT_MODEL, MODELS, OWN_MODEL_PAGE, code_of, missing_model, model_of
from swath.tracking import schema
from swath.tracking.artifacts import read_arrays, read_class_names
from swath.tracking.data_sizes import data_sizes
from swath.tracking.stored_runs import StoredRun

CODE = Path(__file__).with_name("model_code.py")

OWN_PREDICTOR = Path(__file__).with_name("own_predictor.py")
"""Predictor of models that have none of their own."""

REQUIREMENTS = ("mlflow", "numpy", "pandas")
"""Packages that a logged model imports; MLflow would take seconds to infer them. Those of a model that
predicts by itself also include swath and the package of the model."""

ARRAYS = schema.WEIGHTS_FILE
"""File of the arrays in a model."""


@dataclass(frozen=True)
class ModelFiles:
    """What an MLflow model of a run consists of.

    Attributes:
      arrays: the learned arrays, `class_names`, and `image_shape` as [channels, rows, columns].
      class_names: in the order of the labels.
      image_shape: channels, rows, columns.
      predictor: file with the function `logits`.
      requirements: packages that it needs, as `name==version`.
    """

    arrays: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    predictor: Path
    requirements: tuple[str, ...]


def is_loggable(run: StoredRun) -> bool:
    """Whether the weights of a run can be logged as a model here."""
    model = MODELS.get(run.params.get(schema.MODEL_NAME, DEFAULT_MODEL))
    return model is not None and model.is_served


def not_loggable(run: StoredRun) -> str:
    """Why the weights of a run cannot be logged as a model here, in one line."""
    name = run.params.get(schema.MODEL_NAME, DEFAULT_MODEL)
    return f"run {run.run_id}: {_not_served(name) if name in MODELS else missing_model(name)}"


def _not_served(name: str) -> str:
    return f"its model {name} is defined in a program; to log it, make it a package: {OWN_MODEL_PAGE}"


def model_files(run: StoredRun) -> ModelFiles:
    """The parts of the model of a finished run.

    Raises:
      SwathError: the run's files cannot be read, or its model cannot be logged here.
    """
    own = model_of(run.params)
    if not own.is_served:
        raise SwathError(not_loggable(run))
    class_names = read_class_names(run)
    sizes = data_sizes(run)
    if sizes is None:
        raise SwathError(f"run {run.run_id}: the shape of its images is not known")
    more: dict[str, Any] = {}
    requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    if own.predictor is None:
        more["described"] = np.array(_described(run, sizes.image_shape, len(class_names)))
        requirements += [f"swath=={version('swath')}", "==".join(own.package.split())]
    arrays = {
        **read_arrays(run, schema.WEIGHTS_FILE),
        "class_names": np.array(class_names),
        "image_shape": np.array(sizes.image_shape),
        **more,
    }
    predictor = Path(own.predictor or OWN_PREDICTOR)
    return ModelFiles(arrays, class_names, sizes.image_shape, predictor, tuple(requirements))


def _described(run: StoredRun, image_shape: tuple[int, int, int], classes: int) -> str:
    """What `own_predictor.py` needs to create the model of a run, as JSON."""
    values = computed_values(read_params(run.params))
    code = code_of(model_of(values))
    return json.dumps({"values": values, "image_shape": image_shape, "classes": classes, "code": code})
