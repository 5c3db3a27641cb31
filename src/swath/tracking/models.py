"""A run's weights logged as an MLflow model."""

import io
import logging
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec

from swath.tracking import schema
from swath.tracking.artifacts import read_bytes, read_class_names
from swath.tracking.records import StoredRun

NAME = "model"
"""The model's name in its run: `runs:/RUN_ID/model`."""


CODE = Path(__file__).with_name("model_code.py")


REQUIREMENTS = ("mlflow", "numpy", "pandas")
"""What the model's own file imports. MLflow would take seconds to infer that."""


def log_model(run: StoredRun, uri: str) -> str:
    """Log the weights of a finished run as its model, `runs:/RUN_ID/model`; returns where its files are.

    Args:
      run: the run.
      uri: of its store.

    Raises:
      SwathError: the run's files cannot be read.
      MlflowException: the store cannot be written.
    """
    mlflow.set_tracking_uri(uri)
    quieten()
    client = MlflowClient()
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        model = client.create_logged_model(run.experiment_id, NAME, run.run_id, params=run.params)
        try:
            local = Path(folder) / NAME
            _save(run, local, Path(folder) / schema.WEIGHTS_FILE, model.model_id)
            client.log_model_artifacts(model.model_id, str(local))
            # MLflow's page of a run shows the run's own files only, so the model stands among them too.
            client.log_artifacts(run.run_id, str(local), NAME)
            client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
        client.finalize_logged_model(model.model_id, "READY")
    return str(model.artifact_location)


def quieten() -> None:
    """Keep MLflow from hints about things that are meant so, and from a bar for each file."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def is_logged(client: MlflowClient, run: StoredRun) -> bool:
    """Whether the run's model has been logged before."""
    models = client.search_logged_models([run.experiment_id], filter_string=f"source_run_id = '{run.run_id}'")
    return any(model.name == NAME and model.status == LoggedModelStatus.READY for model in models)


def _save(run: StoredRun, target: Path, weights: Path, model_id: str) -> None:
    """Write the model into a folder of this machine."""
    classes = read_class_names(run)
    with np.load(io.BytesIO(read_bytes(run, schema.WEIGHTS_FILE))) as arrays:
        named: dict[str, Any] = {**arrays, "class_names": np.array(classes)}
        np.savez(weights, **named)
    mlflow.pyfunc.save_model(
        target,
        mlflow_model=Model(run_id=run.run_id, model_id=model_id),
        python_model=str(CODE),
        artifacts={"weights": str(weights)},
        signature=signature(classes),
        input_example=np.zeros([1, 32, 32, 3], np.uint8),
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
    )
    # MLflow writes down where it found the files; it reads them from within the model.
    saved = Model.load(str(target))
    flavor = saved.flavors["python_function"]
    flavor["model_code_path"] = CODE.name
    flavor["artifacts"]["weights"]["uri"] = flavor["artifacts"]["weights"]["path"]
    saved.save(str(target / "MLmodel"))


def signature(class_names: tuple[str, ...]) -> ModelSignature:
    """What goes in and comes out.

    Two shapes go in, which MLflow can only express as "any array"; the model itself says what it expects.
    """
    probabilities = [ColSpec("double", name) for name in class_names]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("O"), (-1,))]),
        outputs=Schema([ColSpec("string", "class_name"), *probabilities]),
    )
