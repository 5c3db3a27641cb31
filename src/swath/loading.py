"""Sweeps, curves and weights for those who work with them in Python."""

from collections.abc import Sequence

import pandas as pd

from swath.comparing.diff import run_with
from swath.comparing.frame import frame_of
from swath.comparing.sweeps import find_sweep
from swath.reading.files import Weights, read_weights
from swath.reading.store import open_reader

PER_STEP = ("train/accuracy", "train/loss")


def load_sweep(sweep: str, uri: str | None = None) -> pd.DataFrame:
    """The runs of a sweep, one row each, in the order in which they began.

    Columns: `run_id`, `status`, `sweep`, `sweep_id`, `name` (str), `started` (datetime64, UTC), the fields
    that decide the numbers (`batch_size` int64, `learning_rate` float64, ..., by dotted name), then every
    single-valued metric (float64, nan where a run lacks it): `validation/accuracy`, `test/accuracy`, ...

    Args:
      sweep: name (its latest) or id.
      uri: MLflow store; None for $MLFLOW_TRACKING_URI, else mlflow.db in the working folder.

    Raises:
      SwathError: there is no such store or sweep.
    """
    return frame_of(find_sweep(open_reader(uri), sweep).runs)


def load_curves(
    runs: str | Sequence[str], metrics: Sequence[str] = PER_STEP, uri: str | None = None
) -> pd.DataFrame:
    """Per-step metrics in long form: `run_id` (str), `step` (int64), `metric` (str), `value` (float64).

    Args:
      runs: name or id of a sweep, or run ids.
      metrics: names.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store or sweep.
    """
    reader = open_reader(uri)
    run_ids = [run.run_id for run in find_sweep(reader, runs).runs] if isinstance(runs, str) else list(runs)
    parts = [
        pd.DataFrame(
            {"run_id": curve.run_id, "step": curve.steps, "metric": curve.metric, "value": curve.values}
        )
        for curve in reader.curves(run_ids, metrics)
    ]
    columns = ["run_id", "step", "metric", "value"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def load_weights(run_id: str, uri: str | None = None) -> Weights:
    """The weights of a finished run, with what its pixels are shifted and scaled by; see `Weights`.

    Args:
      run_id: of the run, or the beginning of its id.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store or run, or the run has no weights.
    """
    return read_weights(run_with(open_reader(uri), run_id))
