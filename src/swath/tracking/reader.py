"""Readers of a store: an SQL database directly, a tracking server through MLflow's client."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from swath.errors import SwathError, UsageError
from swath.system import hide_password
from swath.tracking import schema
from swath.tracking.address import is_server
from swath.tracking.databases import check_database, limit_waiting
from swath.tracking.mlflow_setup import (
    DEFAULT_FILE,
    database_file,
    default_uri,
    error_line,
    sqlite_uri,
)
from swath.tracking.sql_reader import SqlReader
from swath.tracking.stored_runs import Curve, StoredRun

SQL_SCHEMES = ("sqlite:", "postgresql", "mysql", "mssql")


class Reader(Protocol):
    """Reads the runs of a store."""

    @property
    def moved(self) -> str | None:
        """Folder beside a moved store with files whose recorded location is another one; None otherwise."""

    def runs(
        self, tags: Mapping[str, str | None], status: str | None = None, *, deleted: bool = False
    ) -> list[StoredRun]:
        """The runs that have all these tags, oldest first.

        Args:
          tags: value of each tag; None for any value.
          status: status of the runs; None for any.
          deleted: whether to include runs that are marked as deleted.
        """

    def run(self, run_id: str) -> StoredRun | None:
        """A run by its id; None if there is none."""

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """The curves of per-step metrics that the runs have, in the order of the runs."""

    def experiment(self, experiment_id: str) -> tuple[str, dict[str, str]] | None:
        """The name of an experiment and its tags; None if there is none."""


def open_reader(uri: str | Path | None = None) -> Reader:
    """Open an existing store for reading.

    Args:
      uri: MLflow's tracking URI, or the path of an SQLite file; None for MLflow's default in the working
        folder.

    Raises:
      SwathError: the store does not exist, belongs to another version of MLflow, or cannot be reached.
    """
    address = sqlite_uri(uri) if isinstance(uri, Path) else uri or default_uri()
    if "://" not in address and Path(address).suffix in (".db", ".sqlite", ".sqlite3"):
        address = sqlite_uri(Path(address))
    shown = hide_password(address, address)
    try:
        if is_server(address):
            from swath.tracking.server_reader import ClientReader  # imports MLflow

            return ClientReader(address)
        if not address.startswith(SQL_SCHEMES):
            raise UsageError(
                f"swath cannot read the store {shown}: expected an address that begins with "
                f"{', '.join(SQL_SCHEMES)}, http:// or https://"
            )
        path = database_file(address)
        if path is not None and not path.is_file():
            raise UsageError(
                f"no store at {path}; go to the folder of a sweep, or name the store: "
                f"--uri sqlite:////PATH/{DEFAULT_FILE}"
            )
        limit_waiting()
        return SqlReader(address)
    except SwathError:
        raise
    except Exception as error:
        check_database(address)  # its words say what to change
        raise SwathError(f"the store {shown} cannot be read: {error_line(error, address)}") from error


def experiment_name(uri: str, experiment_id: str) -> str:
    """The name of an experiment.

    Raises:
      SwathError: the store cannot be read, or has no such experiment.
    """
    return _experiment(uri, experiment_id)[0]


def has_shared_view(uri: str, experiment_id: str, sweep_id: str) -> bool:
    """Whether the store holds the view that `runs_page` refers to."""
    return f"{schema.SHARED_VIEW_PREFIX}{sweep_id}" in _experiment(uri, experiment_id)[1]


def _experiment(uri: str, experiment_id: str) -> tuple[str, dict[str, str]]:
    try:
        found = open_reader(uri).experiment(experiment_id)
    except SwathError:
        raise
    except Exception as error:
        raise SwathError(error_line(error, uri)) from error
    if found is None:
        raise SwathError(f"the store {hide_password(uri, uri)} has no experiment {experiment_id}")
    return found
