"""Rows of runs and logged models that MLflow's own deletion leaves, or does not find."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy
from mlflow.entities import LoggedModel
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlInput,
    SqlInputTag,
    SqlLoggedModel,
    SqlLoggedModelMetric,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

_INPUTS: Any = SqlInput.__table__
_INPUT_TAGS: Any = SqlInputTag.__table__
_DATASETS: Any = SqlDataset.__table__
_MODEL_METRICS: Any = SqlLoggedModelMetric.__table__


def models_of(client: MlflowClient, experiments: Sequence[str], run_ids: set[str]) -> list[LoggedModel]:
    """The logged models of runs; in a database also those that are only marked as deleted.

    Args:
      client: of the store.
      experiments: ids of the runs' experiments.
      run_ids: ids of the runs.
    """
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        with store.ManagedSessionMaker() as session:
            rows = session.query(SqlLoggedModel).filter(
                SqlLoggedModel.experiment_id.in_([int(identity) for identity in experiments]),
                SqlLoggedModel.source_run_id.is_not(None),
            )
            return [row.to_mlflow_entity() for row in rows if row.source_run_id in run_ids]
    found: list[LoggedModel] = []
    token: str | None = None
    while experiments:
        page = client.search_logged_models(list(experiments), page_token=token)
        found += [model for model in page if model.source_run_id in run_ids]
        token = page.token
        if not token:
            break
    return found


def delete_links(engine: sqlalchemy.Engine, owner: str) -> None:
    """Delete what links a run or model with others, and the data sets that no input names any more.

    Args:
      engine: of the database.
      owner: id of the run or of the model.
    """
    own = (_INPUTS.c.destination_id == owner) | (_INPUTS.c.source_id == owner)
    with engine.begin() as connection:
        rows = connection.execute(
            sqlalchemy.select(_INPUTS.c.input_uuid, _INPUTS.c.source_id).where(own)
        ).all()
        used = [row.input_uuid for row in rows]
        connection.execute(_INPUT_TAGS.delete().where(_INPUT_TAGS.c.input_uuid.in_(used)))
        connection.execute(_INPUTS.delete().where(own))
        named = sqlalchemy.exists().where(_INPUTS.c.source_id == _DATASETS.c.dataset_uuid)
        sources = {row.source_id for row in rows}
        connection.execute(_DATASETS.delete().where(_DATASETS.c.dataset_uuid.in_(sources), ~named))
        of_models = (_MODEL_METRICS.c.run_id == owner) | (_MODEL_METRICS.c.model_id == owner)
        connection.execute(_MODEL_METRICS.delete().where(of_models))
