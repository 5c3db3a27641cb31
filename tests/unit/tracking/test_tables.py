"""The tables that are read without MLflow are those of the installed MLflow."""

from pathlib import Path

import mlflow
import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_latest_schema_revision
from mlflow.store.tracking.dbmodels.models import Base

from swath.tracking import tables

READ = [
    value
    for value in vars(tables).values()
    if isinstance(value, sqlalchemy.TableClause) and value is not tables.VERSION  # that is Alembic's
]


def test_versions_are_those_of_the_installed_mlflow() -> None:
    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    known, newest = tables._versions()
    assert newest == _get_latest_schema_revision()
    assert known == {script.revision for script in ScriptDirectory(str(folder)).walk_revisions()}
    assert len(known) > 40
    assert tables.mlflow_version() == mlflow.__version__


@pytest.mark.parametrize("table", READ, ids=lambda table: table.name)
def test_columns_are_those_of_mlflow(table: sqlalchemy.TableClause) -> None:
    whole = Base.metadata.tables[table.name]
    for column in table.c:
        assert column.type.python_type is whole.c[column.name].type.python_type, column.name


def test_all_tables_are_looked_at() -> None:
    names = {"runs", "tags", "params", "metrics", "latest_metrics", "experiments", "experiment_tags"}
    names |= {"datasets", "inputs", "input_tags", "logged_models", "logged_model_params"}
    assert {table.name for table in READ} == names
