"""The beginning of a run, written directly into MLflow's SQL tables, in one transaction.

MLflow's client needs a dozen: for the run, its params and its data set, each with what it reads first.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlExperiment,
    SqlInput,
    SqlInputTag,
    SqlParam,
    SqlRun,
)
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy.dialects import postgresql, sqlite

from swath.errors import SwathError
from swath.tracking import mlflow_runs, schema
from swath.tracking.lots import Fence
from swath.tracking.run_records import RunInfo
from swath.tracking.tag_rows import replace_tags

_DATASETS: Any = SqlDataset.__table__
_EXPERIMENTS: Any = SqlExperiment.__table__
_INPUTS: Any = SqlInput.__table__
_INPUT_TAGS: Any = SqlInputTag.__table__
_PARAMS: Any = SqlParam.__table__
_RUNS: Any = SqlRun.__table__

ARTIFACTS = "artifacts"
"""Folder of a run's files in that of the run."""

LONGEST_PARAM = 6_000
"""Characters after which MLflow truncates the value of a param."""


@dataclass(frozen=True)
class NewRun:
    """A run as it begins.

    Attributes:
      run_id: MLflow's id, chosen by the caller: 32 hexadecimal digits.
      experiment_id: MLflow's id of the experiment.
      name: of the run.
      user: who began it.
      start_ms: in milliseconds since 1970.
      artifact_uri: place of its artifacts.
      tags: value of each tag.
      params: value of each param.
      dataset: the columns of its data set: `name`, `digest`, `dataset_source_type`, `dataset_source`,
        `dataset_profile`.
      input_tags: tags of the use of the data set.
    """

    run_id: str
    experiment_id: str
    name: str
    user: str
    start_ms: int
    artifact_uri: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    dataset: Mapping[str, str]
    input_tags: Mapping[str, str]


def new_run(info: RunInfo, tags: Mapping[str, str], experiment: str, artifact_root: str) -> NewRun:
    """What MLflow's client stores of a run when it is created and described.

    Args:
      info: metadata of the run.
      tags: its tags.
      experiment: MLflow's id of the experiment.
      artifact_root: the experiment's place of artifacts.
    """
    run_id = uuid.uuid4().hex
    dataset, input_tags = mlflow_runs.described_dataset(info)
    return NewRun(
        run_id=run_id,
        experiment_id=experiment,
        name=info.name,
        user=tags.get(schema.USER, "unknown"),
        start_ms=mlflow_runs.now_ms(),
        artifact_uri=append_to_uri_path(artifact_root, run_id, ARTIFACTS),
        tags=tags,
        params=schema.with_logarithms(info.params),
        dataset={
            "name": dataset.name,
            "digest": dataset.digest,
            "dataset_source_type": dataset.source_type,
            "dataset_source": dataset.source,
            "dataset_profile": dataset.profile or "",
        },
        input_tags=input_tags,
    )


def write_start(engine: sqlalchemy.Engine, run: NewRun, fence: Fence | None = None) -> None:
    """Create a run with its tags, params and data set, as a whole or not at all.

    Repeating it changes nothing.

    Args:
      engine: of MLflow's store.
      run: the run.
      fence: what the writer must still be; None for a run of no lot.

    Raises:
      SupersededError: it no longer is.
      SwathError: the experiment does not exist, or has been deleted.
      sqlalchemy.exc.SQLAlchemyError: the database rejects it.
    """
    experiment = int(run.experiment_id)
    with engine.begin() as connection:
        here = (_EXPERIMENTS.c.experiment_id == experiment) & (
            _EXPERIMENTS.c.lifecycle_stage == LifecycleStage.ACTIVE
        )
        if connection.execute(sqlalchemy.select(_EXPERIMENTS.c.experiment_id).where(here)).first() is None:
            raise SwathError(f"the experiment {experiment} has been deleted in the store")
        if connection.execute(
            sqlalchemy.select(_RUNS.c.run_uuid).where(_RUNS.c.run_uuid == run.run_id)
        ).first():
            return  # an earlier attempt was carried out without an answer
        connection.execute(_RUNS.insert(), _columns(run, experiment))
        replace_tags(connection, run.run_id, {"mlflow.runName": run.name, **run.tags})
        if run.params:
            params = [
                {"run_uuid": run.run_id, "key": name, "value": value[:LONGEST_PARAM]}
                for name, value in run.params.items()
            ]
            connection.execute(_PARAMS.insert(), params)
        _use_dataset(connection, run, experiment)
        if fence is not None:
            fence.check_in(connection)


def _columns(run: NewRun, experiment: int) -> dict[str, Any]:
    """The row of a run, with what MLflow fills in."""
    return {
        "run_uuid": run.run_id,
        "name": run.name,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": run.user,
        "status": "RUNNING",
        "start_time": run.start_ms,
        "source_version": "",
        "lifecycle_stage": LifecycleStage.ACTIVE,
        "artifact_uri": run.artifact_uri,
        "experiment_id": experiment,
    }


def _use_dataset(connection: sqlalchemy.Connection, run: NewRun, experiment: int) -> None:
    here = (
        (_DATASETS.c.experiment_id == experiment)
        & (_DATASETS.c.name == run.dataset["name"])
        & (_DATASETS.c.digest == run.dataset["digest"])
    )
    find = sqlalchemy.select(_DATASETS.c.dataset_uuid).where(here)
    if (known := connection.execute(find).scalar()) is None:
        row = {"dataset_uuid": uuid.uuid4().hex, "experiment_id": experiment, **run.dataset}
        connection.execute(_unless_there(connection), row)
        known = connection.execute(find).scalar_one()  # perhaps another command's, made at the same moment
    use = uuid.uuid4().hex
    row = {
        "input_uuid": use,
        "source_type": "DATASET",
        "source_id": known,
        "destination_type": "RUN",
        "destination_id": run.run_id,
    }
    connection.execute(_INPUTS.insert(), row)
    tags = [{"input_uuid": use, "name": name, "value": value} for name, value in run.input_tags.items()]
    connection.execute(_INPUT_TAGS.insert(), tags)


def _unless_there(connection: sqlalchemy.Connection) -> Any:
    """The insertion of a data set that another command may have inserted meanwhile."""
    dialect = connection.dialect.name
    if dialect in ("postgresql", "sqlite"):
        make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
        return make(_DATASETS).on_conflict_do_nothing()
    return _DATASETS.insert()
