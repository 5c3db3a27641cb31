"""The runs of a sweep as tables: one row per run, curves in long form."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from swath.analysis.sweeps import find_sweep, run_with
from swath.config import TrainConfig, walk_schema
from swath.tracking import StoredRun, Weights, open_reader, read_weights, schema

FIRST_COLUMNS = ("run_id", "status", "sweep", "sweep_id", "name", "started")


RESERVED = (
    "rank",
    "interval_low",
    "interval_high",
    "p_vs_best",
    "tied_with_best",
    "configuration_rank",
    "seeds",
    "mean",
    "sd",
    "configuration_p_vs_best",
    "configuration_tied_with_best",
)
"""Columns that a ranking adds."""


def frame_of(runs: Sequence[StoredRun]) -> pd.DataFrame:
    """One row per run, in their order.

    Columns: `run_id`, `status`, `sweep`, `sweep_id`, `name` (str), `started` (datetime64, UTC), the fields
    that decide the numbers (int64, float64 or str, by dotted name; Int64 where a run lacks it), then every
    metric (float64, nan where a run lacks it), by name; `metrics.NAME` where another column has its name.
    """
    fields = [name for name in _types() if any(name in run.params for run in runs)]
    taken = {*FIRST_COLUMNS, *_types(), *RESERVED}
    metrics = sorted({name for run in runs for name in run.metrics}, key=_metric_order)
    columns: dict[str, Any] = {
        "run_id": pd.Series([run.run_id for run in runs], dtype=object),
        "status": pd.Series([run.status for run in runs], dtype=object),
        "sweep": pd.Series([run.tags.get(schema.SWEEP, "") for run in runs], dtype=object),
        "sweep_id": pd.Series([run.tags.get(schema.SWEEP_ID, "") for run in runs], dtype=object),
        "name": pd.Series([run.name for run in runs], dtype=object),
        "started": pd.to_datetime([run.start_ms for run in runs], unit="ms", utc=True).as_unit("ms"),
    }
    columns |= {name: _column(name, [run.params.get(name) for run in runs]) for name in fields}
    columns |= {
        f"metrics.{name}" if name in taken else name: np.array(
            [run.metrics.get(name, math.nan) for run in runs], np.float64
        )
        for name in metrics
    }
    return pd.DataFrame(columns)


def _column(field: str, texts: Sequence[str | None]) -> "pd.Series[Any]":
    """A field of all runs as the schema's type, where every text is one of it."""
    values = [None if text is None else typed(field, text) for text in texts]
    kind = _types()[field]
    if kind is float and all(value is None or isinstance(value, float) for value in values):
        return pd.Series(values, dtype="float64")
    if kind is int and all(value is None or isinstance(value, int) for value in values):
        return pd.Series(values, dtype="Int64" if None in values else "int64")
    return pd.Series(values, dtype=object)


def typed(field: str, text: str) -> Any:
    """A param's text as the type that the schema gives the field; other params stay text."""
    kind = _types().get(field)
    try:
        return kind(text) if kind in (int, float) else text
    except ValueError:
        return text


@cache
def _types() -> dict[str, Any]:
    return {name: spec.kind for name, spec in walk_schema(TrainConfig)}


def _metric_order(name: str) -> tuple[int, str]:
    groups = (*schema.SPLITS, "train", "runtime")
    group, _, _ = name.partition("/")
    return groups.index(group) if group in groups else len(groups), name


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
    runs: str | Sequence[str], metrics: str | Sequence[str] = schema.PER_STEP, uri: str | None = None
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
