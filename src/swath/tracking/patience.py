"""Waiting for a database that is away: every call of MLflow's store is repeated for about a minute.

Tracking servers get the same from MLflow's client, which repeats requests.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from swath.tracking.repeating import patiently
from swath.tracking.sql_client import SqlClient

if TYPE_CHECKING:
    from mlflow.entities import Run, RunTag
    from mlflow.store.tracking.abstract_store import AbstractStore
    from mlflow.tracking import MlflowClient

T = TypeVar("T")


REPEATABLE = (
    "get_experiment",
    "get_experiment_by_name",
    "get_run",
    "log_batch",
    "log_inputs",
    "search_runs",
    "set_experiment_tag",
    "set_tag",
    "update_run_info",
)
"""Calls of MLflow's store that change nothing more when they are repeated with the same arguments."""


def be_patient(client: "SqlClient | MlflowClient") -> None:
    """Let MLflow's store wait while its database is away, and repeat what collided with another command.

    MLflow keeps one store for each address in a process, so every client of it waits.
    """
    if isinstance(client, SqlClient):  # it waits by itself
        return
    if is_patient(client):
        return
    store = client._tracking_client.store
    for name in REPEATABLE:
        setattr(store, name, _patient(getattr(store, name)))
    setattr(store, "create_run", partial(_create_run, store, store.create_run))  # noqa: B010
    setattr(store, "delete_tag", partial(_delete_tag, store.delete_tag))  # noqa: B010


def is_patient(client: "MlflowClient") -> bool:
    """Whether `be_patient` has been called for the store of a client."""
    return "create_run" in vars(client._tracking_client.store)


COLLISIONS = 5
"""How often a call is repeated that collided with another command."""


_COLLISION = re.compile(r"UniqueViolation|UNIQUE constraint failed|[Dd]uplicate (key|entry)")
"""Words of databases for a row that is there already; a server passes them on."""


def _patient(method: Callable[..., T]) -> Callable[..., T]:
    """A method that waits for its database.

    MLflow looks for a data set or a tag of an experiment, and makes it if there is none; of two commands that
    do so at the same moment, one fails.
    """
    from mlflow.exceptions import MlflowException

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> T:
        for _ in range(COLLISIONS):
            try:
                return patiently(lambda: method(*arguments, **named))
            except MlflowException as error:
                if not _COLLISION.search(str(error)):
                    raise
        return patiently(lambda: method(*arguments, **named))

    return call


def _create_run(
    store: "AbstractStore",
    create: "Callable[..., Run]",
    experiment_id: str,
    user_id: str,
    start_time: int,
    tags: "Sequence[RunTag]",
    run_name: str,
) -> "Run":
    """Create a run once: a run that an earlier attempt created has the same start, name and tags."""
    from mlflow.entities import ViewType

    def attempt() -> "Run":
        return create(experiment_id, user_id, start_time, tags, run_name)

    def again() -> "Run":
        wanted = {tag.key: tag.value for tag in tags}
        condition = f"attributes.start_time = {start_time}"
        found: list[Run] = store.search_runs([experiment_id], condition, ViewType.ACTIVE_ONLY, 1_000)
        for run in found:
            if run.info.run_name == run_name and wanted.items() <= run.data.tags.items():
                return run
        return attempt()

    return patiently(attempt, again)


def _delete_tag(delete: Callable[..., None], run_id: str, key: str) -> None:
    from mlflow.exceptions import MlflowException

    def again() -> None:
        try:
            delete(run_id, key)
        except MlflowException as error:  # an earlier attempt may have deleted it
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    patiently(lambda: delete(run_id, key), again)
