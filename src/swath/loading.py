"""Sweeps, curves and weights for those who work with them in Python."""

from collections.abc import Sequence

import pandas as pd

from swath.comparing.diff import run_with
from swath.comparing.frame import frame_of
from swath.comparing.sweeps import find_sweep
from swath.reading.files import Weights, read_weights
from swath.reading.store import open_reader

PER_STEP = ("train/accuracy", "train/loss")

NO_CURVES = pd.DataFrame(
    {
        "run_id": pd.Series(dtype="object"),
        "step": pd.Series(dtype="int64"),
        "metric": pd.Series(dtype="object"),
        "value": pd.Series(dtype="float64"),
    }
)


def load_sweep(sweep: str, uri: str | None = None) -> pd.DataFrame:
    """The runs of a sweep, one row each, in the order in which they began.

    Columns: `run_id`, `status`, `sweep`, `sweep_id`, `name` (str), `started` (datetime64, UTC), the fields
    that decide the numbers (`batch_size` int64, `learning_rate` float64, ..., by dotted name; Int64 where a
    run lacks it), then every single-valued metric (float64, nan where a run lacks it): `validation/accuracy`,
    `test/accuracy`, ...; `metrics.NAME` where another column has its name.

    Args:
      sweep: name (its latest) or id.
      uri: MLflow store; None for $MLFLOW_TRACKING_URI, else mlflow.db in the working folder.

    Raises:
      SwathError: there is no such store or sweep.
    """
    return frame_of(find_sweep(open_reader(uri), sweep).runs)


def load_curves(
    runs: str | Sequence[str], metrics: str | Sequence[str] = PER_STEP, uri: str | None = None
) -> pd.DataFrame:
    """Per-step metrics in long form: `run_id` (str), `step` (int64), `metric` (str), `value` (float64).

    Args:
      runs: name or id of a sweep, or run ids; each once.
      metrics: a name, or several.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store, sweep or run.
    """
    reader = open_reader(uri)
    if isinstance(runs, str):
        run_ids = [run.run_id for run in find_sweep(reader, runs).runs]
    else:
        run_ids = [run_with(reader, run_id).run_id for run_id in dict.fromkeys(runs)]
    metrics = [metrics] if isinstance(metrics, str) else metrics
    parts = [
        pd.DataFrame(
            {"run_id": curve.run_id, "step": curve.steps, "metric": curve.metric, "value": curve.values}
        )
        for curve in reader.curves(run_ids, metrics)
    ]
    found = pd.concat([NO_CURVES, *parts], ignore_index=True) if parts else NO_CURVES.copy()
    return found[list(NO_CURVES.columns)]


def load_weights(run_id: str, uri: str | None = None) -> Weights:
    """The weights of a finished run, with what its pixels are shifted and scaled by; see `Weights`.

    Args:
      run_id: of the run, or the beginning of its id.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store or run, or the run has no weights.
    """
    return read_weights(run_with(open_reader(uri), run_id))
