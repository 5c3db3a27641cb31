"""A store that is read: an SQL database directly, a tracking server through MLflow's client."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import mlflow

from swath.errors import SwathError
from swath.reading.records import Curve, StoredRun
from swath.tracking.database_file import database_file
from swath.tracking.secrets import hide_password, one_line

SQL_SCHEMES = ("sqlite:", "postgresql", "mysql", "mssql")


class Reader(Protocol):
    """Reads runs; deleted ones are not there.

    Attributes:
      moved: where files are found of a store that was copied, if not where it says; None otherwise.
    """

    moved: str | None

    def runs(self, tags: Mapping[str, str | None], status: str | None = None) -> list[StoredRun]:
        """The runs that have all these tags, oldest first.

        Args:
          tags: by name; None where any value will do.
          status: that they have; None for any.
        """

    def run(self, run_id: str) -> StoredRun | None:
        """One run; None where there is no such run."""

    def curves(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
        """Per-step metrics of runs, in the order of the runs; those that a run lacks are left out."""


def open_reader(uri: str | None = None) -> Reader:
    """Open a store that is there; nothing in it is changed.

    Args:
      uri: MLflow's tracking URI; None for what MLflow itself would choose in the working folder.

    Raises:
      SwathError: there is no store, it belongs to another version of MLflow, or it cannot be reached.
    """
    address = uri or mlflow.get_tracking_uri()
    shown = hide_password(address, address)
    try:
        if address.startswith(("http://", "https://")):
            from swath.reading.client import ClientReader

            return ClientReader(address)
        if not address.startswith(SQL_SCHEMES):
            raise SwathError(
                f"the store {shown} is none that swath reads; expected an address that begins with "
                f"{', '.join(SQL_SCHEMES)}, http:// or https://"
            )
        path = database_file(address)
        if path is not None and not path.is_file():
            raise SwathError(
                f"no store at {path}; go to the folder of a sweep, or name the store: --uri sqlite:////PATH/mlflow.db"
            )
        from swath.reading.sql import SqlReader

        return SqlReader(address)
    except SwathError:
        raise
    except Exception as error:
        raise SwathError(f"the store {shown} cannot be read: {one_line(error, address)}") from error
