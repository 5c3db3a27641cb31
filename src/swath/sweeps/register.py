"""The best run's model in MLflow's registry."""

import math

from swath.analysis import RankedRun, Sweep, have_several_seeds
from swath.errors import SwathError
from swath.tracking import ALIAS, default_uri, register_model, schema


def register_best(sweep: Sweep, best: RankedRun, metric: str, name: str, uri: str | None) -> str:
    """Register the best run's model with the alias `champion`; returns a line for the user.

    A run that is registered under the name gets no second version.

    Args:
      sweep: a sweep.
      best: its best run.
      metric: metric that ranks the runs.
      name: name of the registered model; created if it does not exist.
      uri: address of the store as typed; None for MLflow's default.

    Raises:
      SwathError: the store rejects it, or the run has no such metric.
    """
    if not math.isfinite(best.value):
        raise SwathError(f"--register {name}: the best run has no {metric}, so nothing says that it is good")
    over = ", of the best mean over seeds" if have_several_seeds(sweep.finished) else ""
    tags = {
        schema.SWEEP: sweep.name,
        schema.SWEEP_ID: sweep.sweep_id,
        schema.WHY: f"best of {len(sweep.finished)} by {metric}{over}: {best.value:.4f}",
        schema.DATA_DIGEST: best.run.tags.get(schema.DATA_DIGEST, ""),
        schema.FINGERPRINT: best.run.tags.get(schema.FINGERPRINT, ""),
    }
    try:
        version = register_model(best.run, uri or default_uri(), name, tags)
    except SwathError as error:
        raise SwathError(f"--register {name}: {error}") from error
    return f"registered run {best.run.run_id} as models:/{name}/{version}, alias {ALIAS}"
