"""The calls of MLflow's client that swath needs, carried out on MLflow's tables without MLflow.

Its import takes a second and a half of a processor, which a run of some steps does not. Names and arguments
are MLflow's, so that its own client takes the place of this one for servers and for versions that were not
tested.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, select

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.entities import Experiment, Metric, Run, RunData, RunInfo, RunInputs
from swath.tracking.repeating import patiently
from swath.tracking.sql_upsert import insert_new, upsert
from swath.tracking.sql_values import stored_columns, stored_value
from swath.tracking.tables import (
    ACTIVE,
    EXPERIMENT_TAGS,
    EXPERIMENTS,
    INPUTS,
    LATEST,
    METRICS,
    PARAMS,
    RUNS,
    TAGS,
)
from swath.tracking.tag_rows import replace_tags

ARTIFACTS = "artifacts"
"""Folder of a run's files in that of the run."""

SOURCE_TYPE = "UNKNOWN"
"""MLflow's column for what the tag `mlflow.source.type` says now."""


class SqlClient:
    """A store in a database whose tables are those of a tested version of MLflow.

    Every call is one transaction, waits while the database is away, and changes nothing more when it is
    repeated.

    Args:
      engine: of the database.
      uri: its address.

    Attributes:
      engine: of the database.
      tracking_uri: its address.
      artifact_root_uri: place of the files of new experiments; empty if MLflow is to choose it.
    """

    def __init__(self, engine: Engine, uri: str) -> None:
        self.engine = engine
        self.tracking_uri = uri
        self.artifact_root_uri = ""

    def get_experiment(self, experiment_id: str) -> Experiment:
        """An experiment by its id, deleted or not.

        Raises:
          SwathError: there is none.
        """
        found = None
        if experiment_id.isdecimal():
            found = self._experiment(EXPERIMENTS.c.experiment_id == int(experiment_id))
        if found is None:
            raise SwathError(f"the store has no experiment {experiment_id}")
        return found

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """An experiment by its name, deleted or not; None if there is none."""
        return self._experiment(EXPERIMENTS.c.name == name)

    def _experiment(self, condition: Any) -> Experiment | None:
        def read() -> Experiment | None:
            with self.engine.connect() as connection:
                found = connection.execute(select(EXPERIMENTS).where(condition)).first()
                if found is None:
                    return None
                here = EXPERIMENT_TAGS.c.experiment_id == found.experiment_id
                tags = connection.execute(select(EXPERIMENT_TAGS).where(here)).all()
            return Experiment(
                str(found.experiment_id),
                found.name,
                found.artifact_location,
                found.lifecycle_stage,
                {row.key: row.value for row in tags},
            )

        return patiently(read)

    def create_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """Create an experiment whose files are in the store's own place; returns its id.

        Raises:
          sqlalchemy.exc.IntegrityError: there is one of this name.
        """
        now = now_ms()
        row = {"name": name, "lifecycle_stage": ACTIVE, "creation_time": now, "last_update_time": now}

        def create() -> str:
            with self.engine.begin() as connection:
                connection.execute(EXPERIMENTS.insert(), row)
                here = EXPERIMENTS.c.name == name
                found = connection.execute(select(EXPERIMENTS.c.experiment_id).where(here)).scalar_one()
                place = {"artifact_location": place_in(self.artifact_root_uri, str(found))}
                connection.execute(EXPERIMENTS.update().where(here).values(**place))
                _set_experiment_tags(connection, found, tags)
            return str(found)

        return patiently(create)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an experiment."""

        def change() -> None:
            with self.engine.begin() as connection:
                _set_experiment_tags(connection, int(experiment_id), {key: value})

        patiently(change)

    def get_run(self, run_id: str) -> Run:
        """A run.

        Raises:
          SwathError: there is none.
        """
        found = patiently(lambda: self._runs(RUNS.c.run_uuid == run_id))
        if not found:
            raise SwathError(f"the store has no run {run_id}")
        return found[0]

    def runs_with_tags(self, experiment_id: str, tags: Mapping[str, str]) -> list[Run]:
        """The runs of an experiment that have these tags, and have not been deleted."""
        here = (RUNS.c.experiment_id == int(experiment_id)) & (RUNS.c.lifecycle_stage == ACTIVE)
        for name, value in tags.items():
            tag = select(TAGS.c.run_uuid).where(TAGS.c.key == name, TAGS.c.value == value)
            here &= RUNS.c.run_uuid.in_(tag)
        return patiently(lambda: self._runs(here))

    def _runs(self, condition: Any) -> list[Run]:
        chosen = select(RUNS.c.run_uuid).where(condition)
        params: dict[str, dict[str, str]] = {}
        tags: dict[str, dict[str, str]] = {}
        metrics: dict[str, list[Metric]] = {}
        inputs: dict[str, list[str]] = {}
        with self.engine.connect() as connection:
            rows = connection.execute(select(RUNS).where(condition).order_by(RUNS.c.start_time)).all()
            for found, texts in ((params, PARAMS), (tags, TAGS)):
                for row in connection.execute(select(texts).where(texts.c.run_uuid.in_(chosen))):
                    found.setdefault(row.run_uuid, {})[row.key] = row.value
            for row in connection.execute(select(LATEST).where(LATEST.c.run_uuid.in_(chosen))):
                value = stored_value(row.value, row.is_nan)
                metric = Metric(row.key, value, row.timestamp, row.step)
                metrics.setdefault(row.run_uuid, []).append(metric)
            uses = (INPUTS.c.destination_type == "RUN") & INPUTS.c.destination_id.in_(chosen)
            for row in connection.execute(select(INPUTS).where(uses)):
                inputs.setdefault(row.destination_id, []).append(row.source_id)
        return [
            Run(
                RunInfo(
                    row.run_uuid,
                    row.name,
                    str(row.experiment_id),
                    row.status,
                    row.start_time,
                    row.end_time,
                    row.artifact_uri,
                ),
                RunData(
                    params.get(row.run_uuid, {}),
                    tags.get(row.run_uuid, {}),
                    {metric.key: metric.value for metric in metrics.get(row.run_uuid, ())},
                    tuple(metrics.get(row.run_uuid, ())),
                ),
                RunInputs(tuple(inputs.get(row.run_uuid, ()))),
            )
            for row in rows
        ]

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str = "",
    ) -> Run:
        """Create a run."""
        experiment = self.get_experiment(experiment_id)
        run_id = uuid.uuid4().hex
        start = now_ms() if start_time is None else start_time
        values = run_row(
            run_id,
            experiment_id,
            run_name,
            tags or {},
            start,
            run_files(experiment.artifact_location, run_id),
        )

        def create() -> None:
            with self.engine.begin() as connection:
                insert_run(connection, values, {**(tags or {}), schema.RUN_NAME: run_name})

        patiently(create)
        return self.get_run(run_id)

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        """Add values of metrics to a run, and set tags.

        Raises:
          SwathError: the run does not exist, or has been deleted.
        """

        def write() -> None:
            with self.engine.begin() as connection:
                _check_active(connection, run_id)
                if metrics:
                    _add_metrics(connection, run_id, metrics)
                replace_tags(connection, run_id, tags or {})

        patiently(write)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run; see `log_batch`."""
        self.log_batch(run_id, tags={key: value})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run, if it has it."""

        def change() -> None:
            with self.engine.begin() as connection:
                replace_tags(connection, run_id, {}, [key])

        patiently(change)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change status or name of a run.

        Raises:
          SwathError: the run does not exist, or has been deleted.
        """
        values = {column: value for column, value in (("status", status), ("name", name)) if value}
        self._update(run_id, values, {schema.RUN_NAME: name} if name else {})

    def set_terminated(self, run_id: str, status: str, end_time: int | None = None) -> None:
        """End a run; see `update_run`."""
        self._update(run_id, {"status": status, "end_time": now_ms() if end_time is None else end_time})

    def _update(self, run_id: str, values: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> None:
        def change() -> None:
            with self.engine.begin() as connection:
                _check_active(connection, run_id)
                if values:
                    connection.execute(RUNS.update().where(RUNS.c.run_uuid == run_id).values(**values))
                replace_tags(connection, run_id, tags or {})

        patiently(change)


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def place_in(root: str, *parts: str) -> str:
    """A place within another one, whose address may end with a query."""
    place, mark, query = root.partition("?")
    return f"{'/'.join([place.rstrip('/'), *parts])}{mark}{query}"


def run_files(experiment: str, run_id: str) -> str:
    """Place of a run's files in that of its experiment."""
    return place_in(experiment, run_id, ARTIFACTS)


def run_row(
    run_id: str, experiment_id: str, name: str, tags: Mapping[str, str], start_ms: int, artifact_uri: str
) -> dict[str, Any]:
    """The row of a run that begins, with what MLflow fills in."""
    return {
        "run_uuid": run_id,
        "name": name,
        "source_type": SOURCE_TYPE,
        "source_name": "",
        "entry_point_name": "",
        "user_id": tags.get(schema.USER, "unknown"),
        "status": "RUNNING",
        "start_time": start_ms,
        "source_version": "",
        "lifecycle_stage": ACTIVE,
        "artifact_uri": artifact_uri,
        "experiment_id": int(experiment_id),
    }


def insert_run(connection: Connection, row: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Insert a run with its tags; returns whether it was not there already.

    An earlier attempt may have been carried out without an answer.

    Raises:
      SwathError: its experiment does not exist, or has been deleted.
    """
    here = (EXPERIMENTS.c.experiment_id == row["experiment_id"]) & (EXPERIMENTS.c.lifecycle_stage == ACTIVE)
    if connection.execute(select(EXPERIMENTS.c.experiment_id).where(here)).first() is None:
        raise SwathError(f"the experiment {row['experiment_id']} has been deleted in the store")
    known = select(RUNS.c.run_uuid).where(RUNS.c.run_uuid == row["run_uuid"])
    if connection.execute(known).first() is not None:
        return False
    connection.execute(RUNS.insert(), dict(row))
    replace_tags(connection, row["run_uuid"], tags)
    return True


def _check_active(connection: Connection, run_id: str) -> None:
    here = (RUNS.c.run_uuid == run_id) & (RUNS.c.lifecycle_stage == ACTIVE)
    if connection.execute(select(RUNS.c.run_uuid).where(here)).first() is None:
        raise SwathError(f"the run {run_id} has been deleted in the store")


def _set_experiment_tags(connection: Connection, experiment: int, tags: Mapping[str, str]) -> None:
    rows = [{"experiment_id": experiment, "key": key, "value": value} for key, value in tags.items()]
    upsert(connection, EXPERIMENT_TAGS, ("experiment_id", "key"), rows)


def _add_metrics(connection: Connection, run_id: str, metrics: Sequence[Metric]) -> None:
    """Add values; of those of a metric, MLflow calls the one with the largest step the latest."""
    rows = [
        {
            "run_uuid": run_id,
            "key": metric.key,
            "timestamp": metric.timestamp,
            "step": metric.step,
            **stored_columns(metric.value),
        }
        for metric in metrics
    ]
    insert_new(connection, METRICS, rows)
    names = list({row["key"] for row in rows})
    here = (LATEST.c.run_uuid == run_id) & LATEST.c.key.in_(names)
    last = {row.key: dict(row._mapping) for row in connection.execute(select(LATEST).where(here))}
    for row in rows:
        if row["key"] not in last or _order(row) > _order(last[row["key"]]):
            last[row["key"]] = row
    upsert(connection, LATEST, ("run_uuid", "key"), list(last.values()))


def _order(row: Mapping[str, Any]) -> tuple[int, int, float]:
    return row["step"], row["timestamp"], row["value"]
