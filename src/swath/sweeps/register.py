"""The best run's weights as a registered model."""

import math

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.analysis import RankedRun, Sweep, criterion, have_several_seeds
from swath.errors import SwathError
from swath.tracking import NAME, is_logged, log_model, one_line, quieten, schema

ALIAS = "champion"


def register_best(sweep: Sweep, best: RankedRun, metric: str, name: str, uri: str | None) -> str:
    """Register the best run's model, and make it the champion; returns a line that says so.

    A run that is registered under that name already gets no second version.

    Args:
      sweep: the sweep.
      best: its best run.
      metric: that ranks.
      name: of the registered model; made where it does not exist.
      uri: of the store, as it was typed.

    Raises:
      SwathError: the store refuses, or the run has no such metric.
    """
    if not math.isfinite(best.value):
        raise SwathError(f"--register {name}: the best run has no {metric}, so nothing says that it is good")
    address = uri or mlflow.get_tracking_uri()
    client = MlflowClient(tracking_uri=address)
    quieten()
    try:
        if not is_logged(client, best.run):
            log_model(best.run, address)
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        ranked_by = criterion(metric, have_several_seeds(sweep.finished))
        why = {
            schema.SWEEP: sweep.name,
            schema.SWEEP_ID: sweep.sweep_id,
            schema.WHY: f"best of {len(sweep.finished)} by {ranked_by}: {best.value:.4f}",
            schema.DATA_DIGEST: best.run.tags.get(schema.DATA_DIGEST, ""),
            schema.FINGERPRINT: best.run.tags.get(schema.FINGERPRINT, ""),
        }
        of_this_run = client.search_model_versions(f"run_id = '{best.run.run_id}'")
        version = next((found for found in of_this_run if found.name == name), None)
        if version is None:
            # A server takes files of this machine only from within the run's own artifacts.
            source = f"{best.run.artifact_uri}/{NAME}"
            version = client.create_model_version(name, source, run_id=best.run.run_id)
        for tag, value in why.items():
            client.set_model_version_tag(name, version.version, tag, value)
        client.set_registered_model_alias(name, ALIAS, version.version)
    except MlflowException as error:
        raise SwathError(f"--register {name}: {one_line(error, address)}") from error
    return f"registered run {best.run.run_id} as models:/{name}/{version.version}, alias {ALIAS}"
