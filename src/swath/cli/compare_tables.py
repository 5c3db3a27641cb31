"""Tables of `swath-compare`: the sweeps of a store, and the ranking of a sweep."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from swath import analysis
from swath.cli.tables import RANK, RUN, Column, TableData, ranking_table, time_column
from swath.config import named_values
from swath.tracking import schema

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


def list_rows(frame: pd.DataFrame) -> TableData:
    """The rows of `list_frame` as a table for a terminal."""
    counted = [status.lower() for status in STATUSES]
    rows = [
        [
            row["sweep"],
            row["sweep_id"],
            datetime.fromtimestamp(row["started"].timestamp()).strftime("%Y-%m-%d %H:%M"),
            *(str(row[name]) for name in counted),
            "" if math.isnan(row["best_value"]) else f"{row['best_value']:.4f}",
            _text(row["ranked_by"]).removesuffix("/accuracy"),
            _text(row["best_configuration"]),
        ]
        for row in frame.to_dict("records")
    ]
    counts = [
        Column(name, optional=None if name == "finished" or frame[name].any() else 1) for name in counted
    ]
    columns = [
        Column("sweep", justify="left"),
        Column("id"),
        Column("started", optional=3),
        *counts,
        Column("accuracy"),
        Column("split", optional=2),
        Column("best", justify="left", wrap=True),
    ]
    return TableData(columns, rows)


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


TIE = "="
"""Marks entries that are not significantly different from the best."""

MARK = Column("", "tie")
P_VALUE = Column("p", optional=2)
INTERVAL = Column("95% interval", optional=5)


def ranking_rows(ranked: Sequence[analysis.RankedRun], swept: Sequence[str], metric: str) -> TableData:
    """A table with one row per run, in the given order."""
    rows = [
        analysis.RankingRow(
            entry.place,
            entry.run.run_id,
            entry.run.status,
            {**entry.run.params, **_test_cells(entry), INTERVAL.name: _interval(entry)},
            {**entry.run.metrics, metric: entry.value},
        )
        for entry in ranked
    ]
    others = [Column(name, optional=3 + place) for place, name in enumerate(_other_splits(metric))]
    columns = [*_first_columns(swept), Column(metric), INTERVAL, *_p_value(metric), *others]
    return ranking_table(rows, [*columns, time_column(1), RUN]).without_empty(keep=P_VALUE.name)


def configuration_rows(
    ranked: Sequence[analysis.RankedConfiguration], swept: Sequence[str], metric: str
) -> TableData:
    """A table with one row per configuration, in the given order: mean and standard deviation over seeds."""
    most = max((len(entry.configuration.by_seed) for entry in ranked), default=0)
    rows = []
    for entry in ranked:
        found = entry.configuration
        means = {name: spread.mean for name, spread in found.spreads.items()}
        deviations = {_std_key(name): spread.std for name, spread in found.spreads.items()}
        cells = {**_test_cells(entry), "seeds": _seeds(found, metric, most)}
        rows.append(
            analysis.RankingRow(
                entry.place, "", "FINISHED", {**found.members[0].params, **cells}, {**means, **deviations}
            )
        )
    fields = [field for field in swept if field not in analysis.REPEATED_BY]
    columns = [*_first_columns(fields), Column("seeds"), Column(metric), Column("s.d.", _std_key(metric))]
    columns += _p_value(metric)
    for name, optional in zip(_other_splits(metric), (6, 4), strict=False):
        columns += [
            Column(name, optional=optional),
            Column(f"{name.partition('/')[0]} s.d.", _std_key(name), optional=optional - 1),
        ]
    return ranking_table(rows, columns).without_empty(keep=P_VALUE.name)


def _first_columns(fields: Sequence[str]) -> list[Column]:
    return [RANK, MARK, *(Column(field) for field in fields)]


def _p_value(metric: str) -> list[Column]:
    """The column of p values: only accuracies are tested."""
    return [] if schema.split_of(metric) is None else [P_VALUE]


def _test_cells(entry: analysis.Ranked) -> dict[str, str]:
    """The mark and p value of an entry; empty for the best one, which the others are tested against."""
    if entry.p_vs_best is None or entry.place == 1:
        return {MARK.name: "", P_VALUE.name: ""}
    p_value = "<0.001" if entry.p_vs_best < 0.001 else f"{entry.p_vs_best:.3f}"
    return {MARK.name: TIE if entry.tied_with_best else "", P_VALUE.name: p_value}


def _interval(entry: analysis.RankedRun) -> str:
    return "" if entry.interval is None else f"{entry.interval[0]:.3f}-{entry.interval[1]:.3f}"


def _seeds(found: analysis.Configuration, metric: str, most: int) -> str:
    """Number of seeds behind a mean, and of the most seeds of any configuration if that is more."""
    counted = found.spreads[metric].count if metric in found.spreads else 0
    return str(counted) if counted == most else f"{counted} of {most}"


def _std_key(metric: str) -> str:
    return f"{metric} s.d."


def _other_splits(metric: str) -> list[str]:
    return [name for name in (schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY) if name != metric]
