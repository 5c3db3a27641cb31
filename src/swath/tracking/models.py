"""Weights of runs as MLflow models, logged and registered."""

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.mlflow_setup import error_line
from swath.tracking.model_files import ARRAYS, CODE, ModelFiles, model_files
from swath.tracking.stored_runs import StoredRun

ALIAS = "champion"
"""Alias of the version that was registered last."""


def log_by_mlflow(run: StoredRun, client: MlflowClient) -> str:
    """Log a model through MLflow's own calls; see `log_model`."""
    files = model_files(run)
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        model = client.create_logged_model(run.experiment_id, schema.MODEL, run.run_id, params=run.params)
        try:
            local = Path(folder) / schema.MODEL
            save_model(files, local, run.run_id, model.model_id)
            client.log_model_artifacts(model.model_id, str(local))
            # MLflow's page of a run shows the run's own files only, so the model is among them too.
            client.log_artifacts(run.run_id, str(local), schema.MODEL)
            client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
        client.finalize_logged_model(model.model_id, "READY")
    return str(model.artifact_location)


def _prepare_mlflow() -> None:
    """Turn off MLflow's hints, its progress bar for each file, and its search for lock files.

    Of a project in the working folder it would copy `uv.lock` and `pyproject.toml` into the model.
    """
    logger = logging.getLogger("mlflow")
    logger.setLevel(max(logger.level, logging.ERROR))
    os.environ["MLFLOW_UV_AUTO_DETECT"] = "false"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def has_logged_model(run: StoredRun, client: MlflowClient) -> bool:
    """Whether the run's model is in the store."""
    models = client.search_logged_models([run.experiment_id], filter_string=f"source_run_id = '{run.run_id}'")
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
    _prepare_mlflow()
    try:
        if not has_logged_model(run, client):
            log_by_mlflow(run, client)
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


def save_model(files: ModelFiles, target: Path, run_id: str, model_id: str) -> None:
    """Write the folder of a model.

    Args:
      files: its parts.
      target: the folder.
      run_id: id of the run that has learned the arrays.
      model_id: MLflow's id of the model.
    """
    _prepare_mlflow()
    channels, rows, columns = files.image_shape
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        arrays = Path(folder) / ARRAYS
        np.savez(arrays, **dict[str, Any](files.arrays))
        mlflow.pyfunc.save_model(
            target,
            mlflow_model=Model(run_id=run_id, model_id=model_id),
            python_model=str(CODE),
            artifacts={"arrays": str(arrays), "predictor": str(files.predictor)},
            signature=signature(files.class_names),
            input_example=np.zeros([1, rows, columns, channels], np.uint8),
            pip_requirements=list(files.requirements),
        )
    # MLflow records where it found the files, but reads them from within the model.
    saved = Model.load(str(target))
    flavor = saved.flavors["python_function"]
    flavor["model_code_path"] = CODE.name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    saved.save(str(target / "MLmodel"))


def signature(class_names: tuple[str, ...]) -> ModelSignature:
    """Signature of the model's input and output.

    The input has one of two shapes, which MLflow can only express as "any array"; the model checks them.
    """
    probabilities = [ColSpec("double", name) for name in class_names]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("O"), (-1,))]),
        outputs=Schema([ColSpec("string", "class_name"), *probabilities]),
    )
