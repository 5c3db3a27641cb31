"""The beginning of a run, written directly into MLflow's SQL tables, in one transaction.

MLflow's client needs a dozen: for the run, its params and its data set, each with what it reads first.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy

from swath.tracking import mlflow_runs, schema
from swath.tracking.lots import Fence
from swath.tracking.run_records import RunInfo
from swath.tracking.sql_client import insert_run, now_ms, run_files, run_row
from swath.tracking.sql_upsert import insert_new
from swath.tracking.tables import DATASETS, INPUT_TAGS, INPUTS, PARAMS

LONGEST_PARAM = 6_000
"""Characters after which MLflow truncates the value of a param."""


@dataclass(frozen=True)
class NewRun:
    """A run as it begins.

    Attributes:
      run_id: MLflow's id, chosen by the caller: 32 hexadecimal digits.
      experiment_id: MLflow's id of the experiment.
      name: of the run.
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
    return described_run(uuid.uuid4().hex, info, experiment, tags, now_ms(), artifact_root)


def described_run(
    run_id: str,
    info: RunInfo,
    experiment: str,
    tags: Mapping[str, str] = MappingProxyType({}),
    start_ms: int = 0,
    artifact_root: str = "",
) -> NewRun:
    """See `new_run`; a run that is there already needs its id, its experiment and `info` only."""
    dataset = mlflow_runs.dataset_of(info)
    return NewRun(
        run_id=run_id,
        experiment_id=experiment,
        name=info.name,
        start_ms=start_ms,
        artifact_uri=run_files(artifact_root, run_id),
        tags=tags,
        params=schema.with_logarithms(info.params),
        dataset={
            "name": dataset.name,
            "digest": dataset.digest,
            "dataset_source_type": dataset.source_type,
            "dataset_source": dataset.source,
            "dataset_profile": dataset.profile,
        },
        input_tags=mlflow_runs.USE_OF_DATASET,
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
    row = run_row(run.run_id, run.experiment_id, run.name, run.tags, run.start_ms, run.artifact_uri)
    with engine.begin() as connection:
        if not insert_run(connection, row, {schema.RUN_NAME: run.name, **run.tags}):
            return
        write_description(connection, run)
        if fence is not None:
            fence.check_in(connection)


def write_description(connection: sqlalchemy.Connection, run: NewRun) -> None:
    """Write the params of a run and its data set; those that are there stay as they are."""
    params = [
        {"run_uuid": run.run_id, "key": name, "value": value[:LONGEST_PARAM]}
        for name, value in run.params.items()
    ]
    insert_new(connection, PARAMS, params)
    uses = (INPUTS.c.destination_type == "RUN") & (INPUTS.c.destination_id == run.run_id)
    if connection.execute(sqlalchemy.select(INPUTS.c.input_uuid).where(uses)).first() is None:
        _use_dataset(connection, run, int(run.experiment_id))


def _use_dataset(connection: sqlalchemy.Connection, run: NewRun, experiment: int) -> None:
    here = (
        (DATASETS.c.experiment_id == experiment)
        & (DATASETS.c.name == run.dataset["name"])
        & (DATASETS.c.digest == run.dataset["digest"])
    )
    find = sqlalchemy.select(DATASETS.c.dataset_uuid).where(here)
    if (known := connection.execute(find).scalar()) is None:
        row = {"dataset_uuid": uuid.uuid4().hex, "experiment_id": experiment, **run.dataset}
        insert_new(connection, DATASETS, [row])
        known = connection.execute(find).scalar_one()  # perhaps another command's, made at the same moment
    use = uuid.uuid4().hex
    row = {
        "input_uuid": use,
        "source_type": "DATASET",
        "source_id": known,
        "destination_type": "RUN",
        "destination_id": run.run_id,
    }
    connection.execute(INPUTS.insert(), row)
    tags = [{"input_uuid": use, "name": name, "value": value} for name, value in run.input_tags.items()]
    connection.execute(INPUT_TAGS.insert(), tags)
