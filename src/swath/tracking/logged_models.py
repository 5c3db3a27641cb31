"""Logs the weights of runs as MLflow models."""

import tempfile
import uuid
from pathlib import Path

import sqlalchemy
from sqlalchemy import select

from swath.tracking import schema
from swath.tracking.artifacts import write_files
from swath.tracking.client import Client
from swath.tracking.model_files import model_files
from swath.tracking.model_template import fill_in
from swath.tracking.repeating import patiently
from swath.tracking.sql_client import ARTIFACTS, SqlClient, now_ms, place_in
from swath.tracking.stored_runs import StoredRun
from swath.tracking.tables import ACTIVE, INPUTS, LOGGED_MODELS, LOGGED_PARAMS

READY = 2
"""Number of MLflow's status `READY`."""


def is_model_logged(run: StoredRun, client: Client) -> bool:
    """Whether the run's model is in the store."""
    if not isinstance(client, SqlClient):
        from swath.tracking.models import has_logged_model

        return has_logged_model(run, client)
    here = (
        (LOGGED_MODELS.c.source_run_id == run.run_id)
        & (LOGGED_MODELS.c.name == schema.MODEL)
        & (LOGGED_MODELS.c.status == READY)
        & (LOGGED_MODELS.c.lifecycle_stage == ACTIVE)
    )

    def read() -> bool:
        with client.engine.connect() as connection:
            return connection.execute(select(LOGGED_MODELS.c.model_id).where(here)).first() is not None

    return patiently(read)


def log_model(run: StoredRun, client: Client) -> str:
    """Log the weights of a finished run as its model, `runs:/RUN_ID/model`; returns the model's location.

    Args:
      run: a finished run.
      client: client of its store.

    Raises:
      SwathError: the run's files cannot be read.
      MlflowException, SQLAlchemyError: the store cannot be written.
    """
    if not isinstance(client, SqlClient):
        from swath.tracking.models import log_by_mlflow

        return log_by_mlflow(run, client)
    files, model_id = model_files(run), f"m-{uuid.uuid4().hex}"
    place = client.get_experiment(run.experiment_id).artifact_location
    location = place_in(place, "models", model_id, ARTIFACTS)
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        model = Path(folder) / "model"
        fill_in(files, model, run.run_id, model_id)
        # MLflow's page of a run shows the run's own files only, so the model is among them too.
        write_files(client, location, model)
        write_files(client, place_in(run.artifact_uri, schema.MODEL), model)
    patiently(lambda: _insert(client.engine, run, model_id, location))
    return location


def _insert(engine: sqlalchemy.Engine, run: StoredRun, model_id: str, location: str) -> None:
    experiment, now = int(run.experiment_id), now_ms()
    row = {
        "model_id": model_id,
        "experiment_id": experiment,
        "name": schema.MODEL,
        "artifact_location": location,
        "creation_timestamp_ms": now,
        "last_updated_timestamp_ms": now,
        "status": READY,
        "lifecycle_stage": ACTIVE,
        "source_run_id": run.run_id,
    }
    params = [
        {"model_id": model_id, "experiment_id": experiment, "param_key": name, "param_value": value}
        for name, value in run.params.items()
    ]
    output = {
        "input_uuid": uuid.uuid4().hex,
        "source_type": "RUN_OUTPUT",
        "source_id": run.run_id,
        "destination_type": "MODEL_OUTPUT",
        "destination_id": model_id,
        "step": 0,
    }
    with engine.begin() as connection:
        known = select(LOGGED_MODELS.c.model_id).where(LOGGED_MODELS.c.model_id == model_id)
        if connection.execute(known).first() is not None:
            return  # an earlier attempt was carried out without an answer
        connection.execute(LOGGED_MODELS.insert(), row)
        if params:
            connection.execute(LOGGED_PARAMS.insert(), params)
        connection.execute(INPUTS.insert(), output)
