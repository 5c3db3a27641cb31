"""MLflow's tables, as far as they are used, and their version, without MLflow.

Importing MLflow takes more than a second of a processor.
"""

import re
from functools import cache
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Boolean, ColumnClause, Double, Integer, String, TableClause, column, table

from swath.errors import SwathError
from swath.system import hide_password

RUNS = table(
    "runs",
    column("run_uuid", String()),
    column("experiment_id", Integer()),
    column("name", String()),
    column("source_type", String()),
    column("source_name", String()),
    column("entry_point_name", String()),
    column("user_id", String()),
    column("status", String()),
    column("start_time", BigInteger()),
    column("end_time", BigInteger()),
    column("deleted_time", BigInteger()),
    column("source_version", String()),
    column("artifact_uri", String()),
    column("lifecycle_stage", String()),
)


def _texts(name: str, owner: ColumnClause[Any]) -> TableClause:
    return table(name, owner, column("key", String()), column("value", String()))


TAGS = _texts("tags", column("run_uuid", String()))

PARAMS = _texts("params", column("run_uuid", String()))

METRICS = table(
    "metrics",
    column("run_uuid", String()),
    column("key", String()),
    column("step", BigInteger()),
    column("value", Double()),
    column("is_nan", Boolean()),
    column("timestamp", BigInteger()),
)

LATEST = table(
    "latest_metrics",
    column("run_uuid", String()),
    column("key", String()),
    column("value", Double()),
    column("is_nan", Boolean()),
    column("step", BigInteger()),
    column("timestamp", BigInteger()),
)

EXPERIMENTS = table(
    "experiments",
    column("experiment_id", Integer()),
    column("name", String()),
    column("artifact_location", String()),
    column("lifecycle_stage", String()),
    column("creation_time", BigInteger()),
    column("last_update_time", BigInteger()),
    column("workspace", String()),
)

WORKSPACE = "default"
"""The only workspace of a store that is not shared by workspaces; names are unique in a workspace."""

EXPERIMENT_TAGS = _texts("experiment_tags", column("experiment_id", Integer()))

DATASETS = table(
    "datasets",
    column("dataset_uuid", String()),
    column("experiment_id", Integer()),
    column("name", String()),
    column("digest", String()),
    column("dataset_source_type", String()),
    column("dataset_source", String()),
    column("dataset_profile", String()),
)

INPUTS = table(
    "inputs",
    column("input_uuid", String()),
    column("source_type", String()),
    column("source_id", String()),
    column("destination_type", String()),
    column("destination_id", String()),
    column("step", BigInteger()),
)

INPUT_TAGS = table(
    "input_tags", column("input_uuid", String()), column("name", String()), column("value", String())
)

LOGGED_MODELS = table(
    "logged_models",
    column("model_id", String()),
    column("experiment_id", Integer()),
    column("name", String()),
    column("artifact_location", String()),
    column("creation_timestamp_ms", BigInteger()),
    column("last_updated_timestamp_ms", BigInteger()),
    column("status", Integer()),
    column("lifecycle_stage", String()),
    column("source_run_id", String()),
)

LOGGED_PARAMS = table(
    "logged_model_params",
    column("model_id", String()),
    column("experiment_id", Integer()),
    column("param_key", String()),
    column("param_value", String()),
)

ACTIVE = "active"
"""Stage of experiments and runs that have not been deleted."""

TESTED_VERSIONS = ("3.17.", "3.18.")
"""MLflow versions whose tables are written directly; other versions get MLflow's own calls."""

VERSION = table("alembic_version", column("version_num", String()))
"""Alembic's own table, in which MLflow's migrations record how far they have come."""


def check_version(engine: sqlalchemy.Engine, uri: str) -> None:
    """Check that the installed MLflow made the tables of a store.

    Raises:
      SwathError: another version of MLflow made them, or they are not MLflow's.
    """
    shown = hide_password(uri, uri)
    if not sqlalchemy.inspect(engine).has_table(RUNS.name):
        raise SwathError(f"{shown} is not an MLflow store: it has no table of runs")
    version = version_of(engine)
    if version is None:
        raise SwathError(f"{shown} is not an MLflow store: its tables have no version")
    known, newest = _versions()
    if version == newest:
        return
    if version in known:
        what_to_do = f"an older version of MLflow; keep a copy, then run: mlflow db upgrade {shown}"
    else:
        what_to_do = (
            f"a newer version of MLflow than the installed {mlflow_version()}; run: "
            "pip install --upgrade mlflow"
        )
    raise SwathError(f"the tables of {shown} were made by {what_to_do}")


def mlflow_version() -> str:
    """The version of the installed MLflow."""
    return installed_version("mlflow")


def version_of(engine: sqlalchemy.Engine) -> str | None:
    """The version of the tables of a store; None if they have none."""
    if not sqlalchemy.inspect(engine).has_table(VERSION.name):
        return None
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(VERSION.c.version_num)).scalars().all()
    return str(found[0]) if len(found) == 1 else None


def is_older(version: str) -> bool:
    """Whether the installed MLflow can upgrade tables of this version."""
    known, newest = _versions()
    return version in known and version != newest


_REVISION = re.compile(r"""^(down_)?revision\s*(?::[^=]+)?=\s*(.*)$""", re.MULTILINE)

_NAME = re.compile(r"""["'](\w+)["']""")


@cache
def _versions() -> tuple[frozenset[str], str]:
    """All versions of tables that the installed MLflow knows, and its own.

    They are read from the text of its migrations; Alembic would run each of them, which takes a tenth of a
    second, and is asked only if the text does not tell.
    """
    found = find_spec("mlflow")
    assert found is not None and found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0], "store", "db_migrations", "versions")
    known: set[str] = set()
    replaced: set[str] = set()
    for file in folder.glob("*.py"):
        for is_former, value in _REVISION.findall(file.read_text("utf-8")):
            (replaced if is_former else known).update(_NAME.findall(value))
    newest = known - replaced
    if len(newest) == 1:
        return frozenset(known), newest.pop()
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(folder.parent))
    return frozenset(each.revision for each in scripts.walk_revisions()), str(scripts.get_current_head())


def is_tested() -> bool:
    """Whether the tables of the installed MLflow may be written directly."""
    return mlflow_version().startswith(TESTED_VERSIONS)


def is_ready(engine: sqlalchemy.Engine) -> bool:
    """Whether a database has the tables of the installed MLflow, an experiment, and no workspaces.

    MLflow makes the first two.
    """
    if version_of(engine) != _versions()[1]:
        return False
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(EXPERIMENTS.c.workspace).distinct()).scalars().all()
    return list(found) == [WORKSPACE]
