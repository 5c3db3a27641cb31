"""The sweeps of a store, as rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from swath.comparing.configurations import are_repeated, gather
from swath.comparing.order import metric_of, ordered
from swath.comparing.sweeps import Sweep
from swath.config.fields import named_values
from swath.ranking import REPEATED_BY
from swath.tables import Rows

STATUSES = ("FINISHED", "FAILED", "KILLED", "RUNNING")


@dataclass(frozen=True)
class _Best:
    """The best configuration of a sweep: its best run, and what it reaches, on average over its seeds."""

    run_id: str | None = None
    configuration: str = ""
    metric: str = ""
    value: float = math.nan


def list_frame(sweeps: Sequence[Sweep]) -> pd.DataFrame:
    """A row per sweep, for programs."""
    rows = []
    for sweep in sweeps:
        best = _best(sweep)
        rows.append(
            {
                "sweep": sweep.name,
                "sweep_id": sweep.sweep_id,
                "status": sweep.status,
                "started": pd.Timestamp(sweep.start_ms, unit="ms", tz="UTC"),
                **{status.lower(): sweep.counts[status] for status in STATUSES},
                "best_run_id": best.run_id,
                "best_configuration": best.configuration or None,
                "ranked_by": best.metric or None,
                "best_value": best.value,
            }
        )
    columns = ["sweep", "sweep_id", "status", "started", *(status.lower() for status in STATUSES)]
    return pd.DataFrame(
        rows, columns=[*columns, "best_run_id", "best_configuration", "ranked_by", "best_value"]
    )


def list_rows(frame: pd.DataFrame) -> Rows:
    """The rows of `list_frame`, for people."""
    counted = [status.lower() for status in STATUSES]
    rows = []
    for row in frame.to_dict("records"):
        rows.append(
            [
                row["sweep"],
                row["sweep_id"],
                datetime.fromtimestamp(row["started"].timestamp()).strftime("%Y-%m-%d %H:%M"),
                *(str(row[name]) for name in counted),
                "" if math.isnan(row["best_value"]) else f"{row['best_value']:.4f}",
                _text(row["ranked_by"]).removesuffix("/accuracy"),
                _text(row["best_configuration"]),
            ]
        )
    unseen = [name for name in counted[1:] if not frame[name].any()]
    headings = ("sweep", "id", "began", *counted, "accuracy", "of", "best")
    return Rows(headings, rows, expendable=(*unseen, "of", "began"))


def _text(value: object) -> str:
    """A text of a frame, which has nan where there is none."""
    return value if isinstance(value, str) else ""


def _best(sweep: Sweep) -> _Best:
    runs = sweep.finished
    if not runs:
        return _Best()
    metric = metric_of(runs, None)
    best_first = ordered(runs, metric)
    best = best_first[0]
    if not are_repeated(runs):
        return _Best(best.run_id, best.named_by(sweep.swept), metric, best.metrics.get(metric, math.nan))
    first = gather(best_first)[0]
    name = named_values(best.params, [field for field in sweep.swept if field not in REPEATED_BY])
    seeds = f"mean over {len(first.by_seed)} seeds"
    value = first.spreads[metric].mean if metric in first.spreads else math.nan
    return _Best(best.run_id, f"{name} ({seeds})" if name else seeds, metric, value)
