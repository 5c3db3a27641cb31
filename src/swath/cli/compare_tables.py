"""The table of the sweeps of a store."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from swath import analysis
from swath.analysis import DIGITS, local_date, values_alone
from swath.cli.progress import duration
from swath.cli.tables import Column, TableData
from swath.config import named_values

STATUSES = ("FINISHED", "FAILED", "KILLED", "RUNNING")


@dataclass(frozen=True)
class _Best:
    """The best configuration of a sweep: its best run, and its accuracy or mean accuracy over seeds."""

    run_id: str | None = None
    configuration: str = ""
    metric: str = ""
    value: float = math.nan


def list_frame(sweeps: Sequence[analysis.Sweep]) -> pd.DataFrame:
    """A data frame with one row per sweep."""
    rows = []
    for sweep in sweeps:
        best = _best(sweep)
        rows.append(
            {
                "sweep": sweep.name,
                "sweep_id": sweep.sweep_id,
                "status": sweep.status,
                "started": pd.Timestamp(sweep.start_ms, unit="ms", tz="UTC"),
                "owner": sweep.owner or None,
                "duration_s": sweep.duration_s,
                **{status.lower(): sweep.counts[status] for status in STATUSES},
                "best_run_id": best.run_id,
                "best_configuration": best.configuration or None,
                "ranked_by": best.metric or None,
                "best_value": best.value,
            }
        )
    columns = ["sweep", "sweep_id", "status", "started", "owner", "duration_s"]
    columns += [status.lower() for status in STATUSES]
    return pd.DataFrame(
        rows, columns=[*columns, "best_run_id", "best_configuration", "ranked_by", "best_value"]
    )


def list_rows(frame: pd.DataFrame, digits: int = DIGITS) -> TableData:
    """The rows of `list_frame` as a table for a terminal.

    Args:
      frame: the sweeps.
      digits: decimals of the best values.
    """
    counted = [status.lower() for status in STATUSES]
    splits = {_split(metric) for metric in frame["ranked_by"] if isinstance(metric, str)}
    heading = f"{splits.pop()} accuracy" if len(splits) == 1 else ""
    rows = [
        [
            row["sweep"],
            row["sweep_id"],
            local_date(row["started"].timestamp() * 1000),
            _text(row["owner"]),
            "" if math.isnan(row["duration_s"]) else duration(row["duration_s"]),
            *(str(row[name]) for name in counted),
            _best_text("" if heading else _split(row["ranked_by"]), row["best_value"], digits),
            _text(row["best_configuration"]),
        ]
        for row in frame.to_dict("records")
    ]
    counts = [
        Column(name, optional=None if name == "finished" or frame[name].any() else 0) for name in counted
    ]
    columns = [
        Column("sweep", justify="left"),
        Column("id"),
        Column("started"),
        Column("owner", justify="left", optional=3),
        Column("duration", optional=2),
        *counts,
        Column(heading or "best accuracy", "best accuracy", justify="left"),
        Column("best", justify="left", optional=1, shorter=_short_best),
    ]
    return TableData(columns, rows)


def _short_best(text: str) -> str:
    """A best configuration for a narrow terminal: `100 1e-06 (3 seeds)`."""
    return values_alone(text).replace("mean over ", "")


def _split(metric: object) -> str:
    return _text(metric).removesuffix("/accuracy")


def _best_text(split: str, value: float, digits: int) -> str:
    """The best value, with its split if there is one: `validation 0.4088`; empty if nothing has finished."""
    return "" if math.isnan(value) else f"{split} {value:.{digits}f}".lstrip()


def _text(value: object) -> str:
    """A text of a data frame; empty if it is missing."""
    return value if isinstance(value, str) else ""


def _best(sweep: analysis.Sweep) -> _Best:
    runs = sweep.finished
    if not runs:
        return _Best()
    metric = analysis.metric_of(runs, None)
    best_first = analysis.ordered(runs, metric)
    best = best_first[0]
    if not analysis.have_several_seeds(runs):
        return _Best(best.run_id, best.named_by(sweep.swept), metric, best.metrics.get(metric, math.nan))
    first = analysis.group_by_configuration(best_first)[0]
    name = named_values(best.params, [field for field in sweep.swept if field not in analysis.REPEATED_BY])
    seeds = f"mean over {len(first.by_seed)} seeds"
    value = first.spreads[metric].mean if metric in first.spreads else math.nan
    return _Best(best.run_id, f"{name} ({seeds})" if name else seeds, metric, value)
