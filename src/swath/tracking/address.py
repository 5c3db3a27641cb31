"""Addresses of stores, and what opening or synchronising one tells."""

from dataclasses import dataclass

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
"""Environment variable with the address of the store."""


def is_server(uri: str) -> bool:
    """Whether an address is that of a tracking server, rather than of a database."""
    return uri.startswith(("http://", "https://"))


@dataclass(frozen=True)
class StoreAddress:
    """Address of a store and of an experiment in it.

    Attributes:
      uri: MLflow's tracking URI; None for MLflow's default in the working folder.
      experiment: name; created if it does not exist.
      artifacts: artifact location of a new experiment; None for the store's default.
      experiment_id: MLflow's id, if the experiment was chosen by its id; it must exist.
    """

    uri: str | None
    experiment: str
    artifacts: str | None
    experiment_id: str | None = None


@dataclass(frozen=True)
class StoreInfo:
    """An opened store, for display.

    Attributes:
      uri: MLflow's tracking URI without passwords; empty if nothing is stored.
      experiment_id: MLflow's id of the experiment.
      notes: what a user should know about it, one line each.
    """

    uri: str
    experiment_id: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SyncResult:
    """Outcome of a synchronisation of offline runs.

    Attributes:
      runs: number of runs that were copied to the store.
      rejected: one line for each offline folder that the store rejected.
      folder: the offline folder of this command, if it is still there.
    """

    runs: int = 0
    rejected: tuple[str, ...] = ()
    folder: str | None = None
