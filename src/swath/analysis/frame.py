"""Sweeps as data frames: one row per run, rankings, and curves in long form."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from swath.analysis.filter import matching
from swath.analysis.sweeps import Sweep, find_sweep, run_with
from swath.config import field_types, typed
from swath.errors import UsageError
from swath.tracking import StoredRun, Weights, open_reader, read_weights, schema

FIRST_COLUMNS = ("run_id", "status", "sweep", "sweep_id", "owner", "name", "started")


RESERVED = (
    "rank",
    "store",
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


NO_CURVES = pd.DataFrame(
    {
        "run_id": pd.Series(dtype="object"),
        "step": pd.Series(dtype="int64"),
        "metric": pd.Series(dtype="object"),
        "value": pd.Series(dtype="float64"),
    }
)


def frame_of(runs: Sequence[StoredRun]) -> pd.DataFrame:
    """A data frame with one row per run, in the given order.

    Columns: `run_id`, `status`, `sweep`, `sweep_id`, `owner`, `name` (str), `started` (datetime64, UTC), the
    configuration by dotted name (int64, float64 or str; Int64 if a run lacks the field), then every metric by
    name (float64, NaN if a run lacks it); `metrics.NAME` if another column has the same name.
    """
    present = dict.fromkeys(name for run in runs for name in run.params)
    fields = [name for name in field_types() if name in present]
    # Fields of a model whose package is not installed here are texts.
    fields += [name for name in present if schema.may_be_declared(name) and name not in field_types()]
    taken = {*FIRST_COLUMNS, *field_types(), *RESERVED}
    metrics = sorted({name for run in runs for name in run.metrics}, key=_metric_order)
    columns: dict[str, Any] = {
        "run_id": pd.Series([run.run_id for run in runs], dtype=object),
        "status": pd.Series([run.status for run in runs], dtype=object),
        "sweep": pd.Series([run.tags.get(schema.SWEEP, "") for run in runs], dtype=object),
        "sweep_id": pd.Series([run.tags.get(schema.SWEEP_ID, "") for run in runs], dtype=object),
        "owner": pd.Series([run.tags.get(schema.USER) or None for run in runs], dtype=object),
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
    """A field of all runs, of the schema's type if every text can be converted."""
    values = [None if text is None else typed(field, text) for text in texts]
    kind = field_types().get(field)
    if kind is float and all(value is None or isinstance(value, float) for value in values):
        return pd.Series(values, dtype="float64")
    if kind is int and all(value is None or isinstance(value, int) for value in values):
        return pd.Series(values, dtype="Int64" if None in values else "int64")
    return pd.Series(values, dtype=object)


def _metric_order(name: str) -> tuple[int, str]:
    groups = (*schema.SPLITS, "train", "runtime")
    group, _, _ = name.partition("/")
    return groups.index(group) if group in groups else len(groups), name


def holding(sweep: Sweep, condition: str | None) -> Sweep:
    """A sweep with only the runs for which a condition holds; see `matching`.

    Raises:
      SwathError: the condition is not valid.
    """
    if condition is None:
        return sweep
    held = set(matching(frame_of(sweep.runs), condition)["run_id"])
    return replace(sweep, runs=tuple(run for run in sweep.runs if run.run_id in held))


def load_sweep(sweep: str, uri: str | Path | None = None) -> pd.DataFrame:
    """Load the runs of a sweep, one row per run, in the order of their start.

    Columns: `run_id`, `status`, `sweep`, `sweep_id`, `owner`, `name` (str), `started` (datetime64, UTC), the
    configuration by dotted name (`batch_size` int64, `learning_rate` float64, ...; Int64 if a run lacks the
    field), then every single-valued metric (float64, NaN if a run lacks it): `validation/accuracy`,
    `test/accuracy`, ...; `metrics.NAME` if another column has the same name.

    Args:
      sweep: sweep id, or a name for its latest sweep.
      uri: MLflow store; None for $MLFLOW_TRACKING_URI, else mlflow.db in the working folder.

    Raises:
      SwathError: there is no such store or sweep.
    """
    return frame_of(find_sweep(open_reader(uri), sweep).runs)


def load_curves(
    runs: str | Sequence[str], metrics: str | Sequence[str] = schema.PER_STEP, uri: str | Path | None = None
) -> pd.DataFrame:
    """Load metrics in long form: `run_id` (str), `step` (int64), `metric` (str), `value` (float64).

    Args:
      runs: name or id of a sweep, or run ids (or their first characters); duplicates count once.
      metrics: one metric or several; the per-step metrics by default.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store, sweep or run, or no run has a metric that swath does not know.
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
    if not parts and (unknown := [name for name in metrics if not schema.is_metric(name)]):
        steps = ", ".join(schema.PER_STEP)
        raise UsageError(f"metric {unknown[0]!r}: no run has values of it; those of every step: {steps}")
    found = pd.concat([NO_CURVES, *parts], ignore_index=True) if parts else NO_CURVES.copy()
    return found[list(NO_CURVES.columns)]


def load_weights(run_id: str, uri: str | Path | None = None) -> Weights:
    """Load the weights of a finished run, and how its pixels are shifted and scaled; see `Weights`.

    Args:
      run_id: id of the run, or its first characters.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store or run, or the run has no weights.
    """
    return read_weights(run_with(open_reader(uri), run_id))
