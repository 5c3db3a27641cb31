"""The rows of MLflow's tables that belong to runs, read from a database or from a tracking server."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from mlflow.entities import LoggedModel, Metric, Run
from mlflow.store.tracking.dbmodels import models as tables
from mlflow.tracking import MlflowClient

from swath.tracking.sql_values import stored_columns

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows to insert, by table; a table comes after those that it refers to."""

OF_RUN = (tables.SqlRun, tables.SqlTag, tables.SqlParam, tables.SqlMetric, tables.SqlLatestMetric)
OF_MODEL = (tables.SqlLoggedModelParam, tables.SqlLoggedModelTag, tables.SqlLoggedModelMetric)
TABLES = (*OF_RUN, tables.SqlDataset, tables.SqlInput, tables.SqlInputTag, tables.SqlLoggedModel, *OF_MODEL)
"""MLflow's tables with rows of a run, in the order in which they can be filled."""


def rows_from_sql(engine: sqlalchemy.Engine, run_ids: Sequence[str]) -> Rows:
    """The rows of runs in a database.

    Args:
      engine: of the database.
      run_ids: ids of the runs, at most a few hundred.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:

        def read(table: Any, condition: Any) -> list[dict[str, Any]]:
            rows = connection.execute(sqlalchemy.select(table.__table__).where(condition)).mappings()
            found[table.__tablename__] = [dict(row) for row in rows]
            return found[table.__tablename__]

        for table in OF_RUN:
            read(table, table.__table__.c.run_uuid.in_(run_ids))
        link = tables.SqlInput.__table__.c
        inputs = read(tables.SqlInput, link.destination_id.in_(run_ids) | link.source_id.in_(run_ids))
        sources = {row["source_id"] for row in inputs}
        read(tables.SqlDataset, tables.SqlDataset.__table__.c.dataset_uuid.in_(sources))
        used = {row["input_uuid"] for row in inputs}
        read(tables.SqlInputTag, tables.SqlInputTag.__table__.c.input_uuid.in_(used))
        models = read(tables.SqlLoggedModel, tables.SqlLoggedModel.__table__.c.source_run_id.in_(run_ids))
        model_ids = {row["model_id"] for row in models}
        for table in OF_MODEL:
            read(table, table.__table__.c.model_id.in_(model_ids))
    return found


def rows_from_client(client: MlflowClient, run_ids: Sequence[str]) -> Rows:
    """The rows of runs on a tracking server, as a database would hold them.

    Args:
      client: of the server.
      run_ids: ids of the runs.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run_id in run_ids:
        run = client.get_run(run_id)
        _add_run(found, run)
        for name in run.data.metrics:
            found["metrics"] += [
                {"run_uuid": run_id, **_metric(metric)} for metric in client.get_metric_history(run_id, name)
            ]
        for entry in run.inputs.dataset_inputs if run.inputs else ():
            _add_dataset(found, run, entry)
        for model in _models(client, run):
            _add_model(found, model)
    return found


def _models(client: MlflowClient, run: Run) -> Iterator[LoggedModel]:
    """The logged models that a run made."""
    condition, token = f"source_run_id = '{run.info.run_id}'", None
    while True:
        page = client.search_logged_models([run.info.experiment_id], condition, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _add_run(found: dict[str, list[dict[str, Any]]], run: Run) -> None:
    info, run_id = run.info, run.info.run_id
    found["runs"].append(
        {
            "run_uuid": run_id,
            "name": info.run_name,
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "user_id": info.user_id,
            "status": info.status,
            "start_time": info.start_time,
            "end_time": info.end_time,
            "source_version": "",
            "lifecycle_stage": info.lifecycle_stage,
            "artifact_uri": info.artifact_uri,
            "experiment_id": info.experiment_id,
        }
    )
    for table, values in (("tags", run.data.tags), ("params", run.data.params)):
        found[table] += [{"run_uuid": run_id, "key": key, "value": text} for key, text in values.items()]
    found["latest_metrics"] += [{"run_uuid": run_id, **_metric(metric)} for metric in run.data._metric_objs]


def _metric(metric: Metric) -> dict[str, Any]:
    values = stored_columns(metric.value)
    return {"key": metric.key, "timestamp": metric.timestamp, "step": metric.step, **values}


def _add_dataset(found: dict[str, list[dict[str, Any]]], run: Run, entry: Any) -> None:
    dataset = entry.dataset
    dataset_id = _dataset_id(run.info.experiment_id, dataset.name, dataset.digest)
    if all(row["dataset_uuid"] != dataset_id for row in found["datasets"]):
        found["datasets"].append(
            {
                "dataset_uuid": dataset_id,
                "experiment_id": run.info.experiment_id,
                "name": dataset.name,
                "digest": dataset.digest,
                "dataset_source_type": dataset.source_type,
                "dataset_source": dataset.source,
                "dataset_schema": dataset.schema,
                "dataset_profile": dataset.profile,
            }
        )
    input_id = uuid.uuid4().hex
    found["inputs"].append(
        {
            "input_uuid": input_id,
            "source_type": "DATASET",
            "source_id": dataset_id,
            "destination_type": "RUN",
            "destination_id": run.info.run_id,
            "step": 0,
        }
    )
    found["input_tags"] += [
        {"input_uuid": input_id, "name": tag.key, "value": tag.value} for tag in entry.tags
    ]


def _dataset_id(experiment_id: str, name: str, digest: str) -> str:
    """An id for a data set: a server does not tell its own; equal ones of an experiment share a row."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{experiment_id}/{name}/{digest}").hex


def _add_model(found: dict[str, list[dict[str, Any]]], model: LoggedModel) -> None:
    found["logged_models"].append(
        {
            "model_id": model.model_id,
            "experiment_id": model.experiment_id,
            "name": model.name,
            "artifact_location": model.artifact_location,
            "creation_timestamp_ms": model.creation_timestamp,
            "last_updated_timestamp_ms": model.last_updated_timestamp,
            "status": model.status.to_int(),
            "lifecycle_stage": "active",
            "model_type": model.model_type or None,
            "source_run_id": model.source_run_id,
            "status_message": model.status_message or None,
        }
    )
    common = {"model_id": model.model_id, "experiment_id": model.experiment_id}
    found["logged_model_params"] += [
        {**common, "param_key": key, "param_value": value} for key, value in model.params.items()
    ]
    found["logged_model_tags"] += [
        {**common, "tag_key": key, "tag_value": value} for key, value in model.tags.items()
    ]
    found["logged_model_metrics"] += [
        {**common, **_model_metric(model, metric)} for metric in model.metrics or ()
    ]
    found["inputs"].append(
        {
            "input_uuid": uuid.uuid4().hex,
            "source_type": "RUN_OUTPUT",
            "source_id": model.source_run_id,
            "destination_type": "MODEL_OUTPUT",
            "destination_id": model.model_id,
            "step": 0,
        }
    )


def _model_metric(model: LoggedModel, metric: Metric) -> dict[str, Any]:
    name, digest = metric.dataset_name, metric.dataset_digest
    return {
        "metric_name": metric.key,
        "metric_timestamp_ms": metric.timestamp,
        "metric_step": metric.step,
        "metric_value": metric.value,
        "run_id": metric.run_id or model.source_run_id,
        "dataset_uuid": _dataset_id(model.experiment_id, name, digest) if name and digest else None,
        "dataset_name": name,
        "dataset_digest": digest,
    }
