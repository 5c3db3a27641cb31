"""The runs of a sweep as a table: one row per run, typed columns."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import pandas as pd

from swath.config.fields import walk_schema
from swath.config.schema import RunConfig
from swath.errors import SwathError
from swath.reading.records import StoredRun

FIRST_COLUMNS = ("run_id", "status", "sweep", "sweep_id", "name", "started")


def frame_of(runs: Sequence[StoredRun]) -> pd.DataFrame:
    """One row per run, in their order.

    Columns: `run_id`, `status`, `sweep`, `sweep_id`, `name` (str), `started` (datetime64, UTC), the fields
    that decide the numbers (int, float or str, by dotted name), then every metric (float64, nan where a run
    lacks it), by name.
    """
    fields = [name for name in _types() if any(name in run.params for run in runs)]
    metrics = sorted({name for run in runs for name in run.metrics}, key=_metric_order)
    rows: list[dict[str, Any]] = []
    for run in runs:
        row: dict[str, Any] = {
            "run_id": run.run_id,
            "status": run.status,
            "sweep": run.tags.get("swath.sweep", ""),
            "sweep_id": run.tags.get("swath.sweep_id", ""),
            "name": run.name,
            "started": pd.Timestamp(run.start_ms, unit="ms", tz="UTC"),
        }
        row |= {name: typed(name, run.params[name]) for name in fields if name in run.params}
        row |= {name: run.metrics.get(name, float("nan")) for name in metrics}
        rows.append(row)
    return pd.DataFrame(rows, columns=[*FIRST_COLUMNS, *fields, *metrics])


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


def matching(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The rows for which a condition holds, such as `learning_rate < 1e-5 and batch_size == 100`.

    Args:
      frame: as from `frame_of`.
      condition: comparisons of columns with values, joined by `and`, `or`, `not`.

    Raises:
      SwathError: it cannot be understood.
    """
    if "@" in condition:
        raise SwathError(f"--where {condition!r}: expected comparisons of columns with values, without @")
    try:
        held = frame.eval(_quoted(condition, [str(name) for name in frame.columns]), engine="python")
        if not (isinstance(held, pd.Series) and held.dtype == bool):
            raise TypeError("it is no comparison")
        return frame[held]
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SwathError(
            f"--where {condition!r} cannot be understood ({reason}); expected a condition such as "
            f"'learning_rate < 1e-5 and batch_size == 100', with columns {', '.join(map(str, frame.columns))}"
        ) from error


def _quoted(condition: str, columns: Sequence[str]) -> str:
    """Put names that are no Python names (`validation/accuracy`) into backticks, outside quoted texts."""
    special = sorted((name for name in columns if not name.isidentifier()), key=len, reverse=True)
    if not special:
        return condition
    names = "|".join(re.escape(name) for name in special)
    pattern = re.compile(rf"""('[^']*'|"[^"]*"|`[^`]*`)|(?<![\w./])({names})(?![\w./])""")
    return pattern.sub(lambda found: found[1] or f"`{found[2]}`", condition)
