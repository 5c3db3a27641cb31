"""The experiment that runs are made in."""

from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking.records import StoreAddress


def experiment_id(client: MlflowClient, address: StoreAddress) -> str:
    """The id of the experiment that an address names; it is made where it does not exist.

    Raises:
      SwathError: it has been deleted, or keeps its artifacts elsewhere.
      MlflowException: the store cannot be used.
    """
    found = client.get_experiment_by_name(address.experiment)
    if found is None:
        try:
            made: str = client.create_experiment(
                address.experiment,
                artifact_location=address.artifacts,
                # The page opens on model training instead of on traces of language models.
                tags={"mlflow.experimentKind": "custom_model_development"},
            )
            return made
        except MlflowException:
            # Another process has made it in the meantime, or the store cannot be written.
            found = client.get_experiment_by_name(address.experiment)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise SwathError(
            f"the experiment {address.experiment!r} has been deleted in this store; restore it with: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}, or choose another: "
            "tracking.experiment=NAME"
        )
    if address.artifacts is not None and _resolved(address.artifacts) != _resolved(found.artifact_location):
        raise SwathError(
            f"the experiment {address.experiment!r} keeps its artifacts in {found.artifact_location}, "
            f"not in {address.artifacts}; leave tracking.artifacts out, or choose another: "
            "tracking.experiment=NAME"
        )
    existing: str = found.experiment_id
    return existing


def _resolved(location: str) -> str:
    if "://" in location and not location.startswith("file://"):
        return location.rstrip("/")
    return str(Path(location.removeprefix("file://")).resolve())
