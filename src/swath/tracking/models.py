"""Weights of runs as MLflow models, logged and registered."""

import io
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec

from swath.config import computed_values, read_params
from swath.errors import SwathError
from swath.models import DEFAULT_MODEL, MODELS, OWN_MODEL_PAGE, code_of, missing_model, model_of
from swath.tracking import schema
from swath.tracking.artifacts import read_bytes, read_class_names
from swath.tracking.data_sizes import data_sizes
from swath.tracking.mlflow_setup import error_line
from swath.tracking.stored_runs import StoredRun

CODE = Path(__file__).with_name("model_code.py")

OWN_PREDICTOR = Path(__file__).with_name("own_predictor.py")
"""Predictor of models that have none of their own."""

REQUIREMENTS = ("mlflow", "numpy", "pandas")
"""Packages that a logged model imports; MLflow would take seconds to infer them. Those of a model that
predicts by itself also include swath and the package of the model."""


ALIAS = "champion"
"""Alias of the version that was registered last."""


def log_model(run: StoredRun, uri: str) -> str:
    """Log the weights of a finished run as its model, `runs:/RUN_ID/model`; returns the model's location.

    Args:
      run: a finished run.
      uri: address of its store.

    Raises:
      SwathError: the run's files cannot be read.
      MlflowException: the store cannot be written.
    """
    _silence_mlflow()
    client = MlflowClient(tracking_uri=uri)  # the caller's own choice of a store stays as it is
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        model = client.create_logged_model(run.experiment_id, schema.MODEL, run.run_id, params=run.params)
        try:
            local = Path(folder) / schema.MODEL
            _save(run, local, Path(folder) / schema.WEIGHTS_FILE, model.model_id)
            client.log_model_artifacts(model.model_id, str(local))
            # MLflow's page of a run shows the run's own files only, so the model is among them too.
            client.log_artifacts(run.run_id, str(local), schema.MODEL)
            client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
        client.finalize_logged_model(model.model_id, "READY")
    return str(model.artifact_location)


def _silence_mlflow() -> None:
    """Turn off MLflow's hints and its progress bar for each file."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def is_loggable(run: StoredRun) -> bool:
    """Whether the weights of a run can be logged as a model here."""
    model = MODELS.get(run.params.get(schema.MODEL_NAME, DEFAULT_MODEL))
    return model is not None and model.is_served


def not_loggable(run: StoredRun) -> str:
    """Why the weights of a run cannot be logged as a model here, in one line."""
    name = run.params.get(schema.MODEL_NAME, DEFAULT_MODEL)
    return f"run {run.run_id}: {not_served(name) if name in MODELS else missing_model(name)}"


def is_model_logged(run: StoredRun, uri: str) -> bool:
    """Whether the run's model is in the store at `uri`."""
    models = MlflowClient(tracking_uri=uri).search_logged_models(
        [run.experiment_id], filter_string=f"source_run_id = '{run.run_id}'"
    )
    return any(model.name == schema.MODEL and model.status == LoggedModelStatus.READY for model in models)


def register_model(run: StoredRun, uri: str, name: str, tags: Mapping[str, str]) -> str:
    """Register a run's model and give it the alias `champion`; returns its version.

    The model is logged first if necessary. A run that is registered under the name gets no second version.

    Args:
      run: a finished run.
      uri: address of its store.
      name: name of the registered model; created if it does not exist.
      tags: tags of the version.

    Raises:
      SwathError: the store rejects it, or the run's files cannot be read.
    """
    client = MlflowClient(tracking_uri=uri)
    _silence_mlflow()
    try:
        if not is_model_logged(run, uri):
            log_model(run, uri)
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        registered = client.search_model_versions(f"run_id = '{run.run_id}'")
        found = next((entry for entry in registered if entry.name == name), None)
        if found is None:
            # A server accepts files of this machine only from within the run's own artifacts.
            source = f"{run.artifact_uri}/{schema.MODEL}"
            found = client.create_model_version(name, source, run_id=run.run_id)
        for tag, value in tags.items():
            client.set_model_version_tag(name, found.version, tag, value)
        client.set_registered_model_alias(name, ALIAS, found.version)
    except MlflowException as error:
        raise SwathError(error_line(error, uri)) from error
    return str(found.version)


def _save(run: StoredRun, target: Path, arrays_file: Path, model_id: str) -> None:
    """Write the model into a folder of this machine."""
    own = model_of(run.params)
    if not own.is_served:
        raise SwathError(not_loggable(run))
    class_names = read_class_names(run)
    sizes = data_sizes(run)
    if sizes is None:
        raise SwathError(f"run {run.run_id}: the shape of its images is not known")
    channels, rows, columns = sizes.image_shape
    more: dict[str, Any] = {}
    if own.predictor is None:
        more["described"] = np.array(_described(run, sizes.image_shape, len(class_names)))
    with np.load(io.BytesIO(read_bytes(run, schema.WEIGHTS_FILE))) as arrays:
        np.savez(
            arrays_file,
            **arrays,
            class_names=np.array(class_names),
            image_shape=np.array(sizes.image_shape),
            **more,
        )
    requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    if own.predictor is None:
        requirements += [f"swath=={version('swath')}", "==".join(own.package.split())]
    mlflow.pyfunc.save_model(
        target,
        mlflow_model=Model(run_id=run.run_id, model_id=model_id),
        python_model=str(CODE),
        artifacts={"arrays": str(arrays_file), "predictor": str(own.predictor or OWN_PREDICTOR)},
        signature=signature(class_names),
        input_example=np.zeros([1, rows, columns, channels], np.uint8),
        pip_requirements=requirements,
    )
    # MLflow records where it found the files, but reads them from within the model.
    saved = Model.load(str(target))
    flavor = saved.flavors["python_function"]
    flavor["model_code_path"] = CODE.name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    saved.save(str(target / "MLmodel"))


def _described(run: StoredRun, image_shape: tuple[int, int, int], classes: int) -> str:
    """What `own_predictor.py` needs to create the model of a run, as JSON."""
    values = computed_values(read_params(run.params))
    code = code_of(model_of(values))
    return json.dumps({"values": values, "image_shape": image_shape, "classes": classes, "code": code})


def not_served(name: str) -> str:
    """The line about a model that is defined in a program only."""
    return f"its model {name} is defined in a program; to log it, make it a package: {OWN_MODEL_PAGE}"


def signature(class_names: tuple[str, ...]) -> ModelSignature:
    """Signature of the model's input and output.

    The input has one of two shapes, which MLflow can only express as "any array"; the model checks them.
    """
    probabilities = [ColSpec("double", name) for name in class_names]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("O"), (-1,))]),
        outputs=Schema([ColSpec("string", "class_name"), *probabilities]),
    )
