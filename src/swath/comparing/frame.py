"""The runs of a sweep as a table: one row per run, typed columns."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from swath.config.fields import walk_schema
from swath.config.schema import RunConfig
from swath.reading.records import StoredRun

FIRST_COLUMNS = ("run_id", "status", "sweep", "sweep_id", "name", "started")
RESERVED = (
    "rank",
    "interval_low",
    "interval_high",
    "p_best",
    "like_best",
    "configuration_rank",
    "seeds",
    "mean",
    "sd",
    "configuration_p_best",
    "configuration_like_best",
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
        "sweep": pd.Series([run.tags.get("swath.sweep", "") for run in runs], dtype=object),
        "sweep_id": pd.Series([run.tags.get("swath.sweep_id", "") for run in runs], dtype=object),
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
    return {name: field.type for name, field, doc in walk_schema(RunConfig) if doc.role == "computed"}


def _metric_order(name: str) -> tuple[int, str]:
    groups = ("validation/", "test/", "train/", "runtime/")
    return next((place for place, group in enumerate(groups) if name.startswith(group)), len(groups)), name
