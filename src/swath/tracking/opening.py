"""Opens a store: checks what a command needs of it, and makes what is missing, before anything is trained."""

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.tracking import mlflow_runs
from swath.tracking.address import StoreAddress
from swath.tracking.artifact_place import check_artifact_place
from swath.tracking.connections import spread_requests
from swath.tracking.databases import check_database
from swath.tracking.locations import keep_files_beside
from swath.tracking.migration import upgrade
from swath.tracking.misplaced import check_located
from swath.tracking.mlflow_setup import check_writable, make_database, wait_for_locks
from swath.tracking.shared_tables import make_shared_tables


def prepare(address: StoreAddress, uri: str) -> list[str]:
    """Check a store, upgrade its tables, and make them if there are none.

    Args:
      address: of the store and an experiment.
      uri: of the store.

    Returns:
      Lines for the user.

    Raises:
      SwathError: it does not answer, was copied or moved, or cannot be written.
    """
    check_writable(uri)
    check_database(uri)
    check_located(uri, [address.experiment])
    notes = [upgrade(uri)]
    make_database(uri)
    make_shared_tables(uri)
    return notes


def connect(uri: str) -> MlflowClient:
    """MLflow's client for a prepared store."""
    spread_requests(uri)
    client = MlflowClient(tracking_uri=uri)
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        wait_for_locks(store.engine)
        keep_files_beside(store, uri)
    return client


def experiment_of(client: MlflowClient, address: StoreAddress, uri: str) -> tuple[str, str]:
    """The id of the experiment and its place of artifacts, which has been tried.

    The experiment is created if it does not exist.

    Raises:
      SwathError: see `mlflow_runs.experiment_id` and `check_artifact_place`.
    """
    if address.artifacts is not None:  # before an experiment records it for good
        check_artifact_place(address.artifacts, uri)
    found = mlflow_runs.experiment_id(client, address)
    place: str = client.get_experiment(found).artifact_location
    if address.artifacts is None:
        check_artifact_place(place, uri)
    return found, place
