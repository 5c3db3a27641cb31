"""The sweeps of a store, as rows."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from swath.comparing.order import rank_runs
from swath.comparing.sweeps import Sweep
from swath.config.fields import named_values
from swath.reading.records import StoredRun
from swath.tables import Rows

STATUSES = ("FINISHED", "FAILED", "KILLED", "RUNNING")


def list_rows(sweeps: Sequence[Sweep]) -> Rows:
    """A row per sweep, for people."""
    rows = []
    for sweep in sweeps:
        best = sweep.best
        metric = _metric(sweep)
        rows.append(
            [
                sweep.name,
                sweep.sweep_id,
                datetime.fromtimestamp(sweep.start_ms / 1000).strftime("%Y-%m-%d %H:%M"),
                *(str(sweep.counts[status]) for status in STATUSES),
                "" if best is None else f"{best.metrics.get(metric, float('nan')):.4f}",
                "" if best is None else metric.removesuffix("/accuracy"),
                "" if best is None else _configuration(best, sweep.swept),
            ]
        )
    counted = [status.lower() for status in STATUSES]
    headings = ("sweep", "id", "began", *counted, "accuracy", "of", "best")
    unseen = [status.lower() for status in STATUSES[1:] if not any(sweep.counts[status] for sweep in sweeps)]
    return Rows(headings, rows, expendable=(*unseen, "of", "began"))


def list_frame(sweeps: Sequence[Sweep]) -> pd.DataFrame:
    """A row per sweep, for programs."""
    rows = []
    for sweep in sweeps:
        best = sweep.best
        metric = _metric(sweep)
        rows.append(
            {
                "sweep": sweep.name,
                "sweep_id": sweep.sweep_id,
                "status": sweep.status,
                "started": pd.Timestamp(sweep.start_ms, unit="ms", tz="UTC"),
                **{status.lower(): sweep.counts[status] for status in STATUSES},
                "best_run_id": None if best is None else best.run_id,
                "best_configuration": None if best is None else _configuration(best, sweep.swept),
                "ranked_by": None if best is None else metric,
                "best_value": float("nan") if best is None else best.metrics.get(metric, float("nan")),
            }
        )
    return pd.DataFrame(rows)


def _configuration(run: StoredRun, swept: Sequence[str]) -> str:
    return named_values(run.params, swept) or run.name


def _metric(sweep: Sweep) -> str:
    return rank_runs(sweep.finished).metric
