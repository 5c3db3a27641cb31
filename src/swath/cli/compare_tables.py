"""The sweeps of a store, and the ranking of one, as rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from swath.analysis import (
    REPEATED_BY,
    Configuration,
    Ranked,
    RankedConfiguration,
    RankedRun,
    Spread,
    Sweep,
    frame_of,
    group_by_configuration,
    have_several_seeds,
    metric_of,
    ordered,
)
from swath.cli.tables import RUN, TableData
from swath.config import named_values
from swath.tracking import StoredRun, schema

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


def list_rows(frame: pd.DataFrame) -> TableData:
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
    return TableData(headings, rows, optional=(*unseen, "of", "began"))


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
    if not have_several_seeds(runs):
        return _Best(best.run_id, best.named_by(sweep.swept), metric, best.metrics.get(metric, math.nan))
    first = group_by_configuration(best_first)[0]
    name = named_values(best.params, [field for field in sweep.swept if field not in REPEATED_BY])
    seeds = f"mean over {len(first.by_seed)} seeds"
    value = first.spreads[metric].mean if metric in first.spreads else math.nan
    return _Best(best.run_id, f"{name} ({seeds})" if name else seeds, metric, value)


MARK = "="
"""Stands beside a configuration that cannot be told from the best."""


INTERVAL, TIME = "95 % interval", "time (s)"


def ranking_rows(judged: Sequence[RankedRun], swept: Sequence[str], metric: str) -> TableData:
    """A row per run, in the order given; the best stands out."""
    rows = []
    for entry in judged:
        metrics = entry.run.metrics
        seconds = metrics.get(schema.TRAIN_S, 0.0) + metrics.get(schema.EVALUATE_S, 0.0)
        rows.append(
            [
                str(entry.place),
                MARK if entry.tied_with_best else "",
                *(entry.run.params.get(field, "") for field in swept),
                _number(entry.value),
                "" if entry.interval is None else f"{entry.interval[0]:.3f}-{entry.interval[1]:.3f}",
                _p_text(entry),
                *(_number(metrics.get(name)) for name in _other_splits(metric)),
                f"{seconds:.2f}",
                entry.run.run_id,
            ]
        )
    headings = ["rank", "", *swept, metric, INTERVAL, "p", *_other_splits(metric), TIME, RUN]
    optional = (TIME, "p", *_other_splits(metric), INTERVAL)
    return _without_empty(TableData(headings, rows, _bold(judged), optional), metric)


def configuration_rows(judged: Sequence[RankedConfiguration], swept: Sequence[str], metric: str) -> TableData:
    """A row per configuration with its seeds, in the order given: mean and standard deviation."""
    fields = [field for field in swept if field not in REPEATED_BY]
    most = max((len(entry.configuration.by_seed) for entry in judged), default=0)
    rows = []
    for entry in judged:
        found = entry.configuration
        rows.append(
            [
                str(entry.place),
                MARK if entry.tied_with_best else "",
                *(found.members[0].params.get(field, "") for field in fields),
                _seeds(found, metric, most),
                *_spread_cells(found, metric),
                _p_text(entry),
                *(cell for name in _other_splits(metric) for cell in _spread_cells(found, name)),
            ]
        )
    others = [part for name in _other_splits(metric) for part in (name, f"{name.partition('/')[0]} s.d.")]
    headings = ["rank", "", *fields, "seeds", metric, "s.d.", "p", *others]
    return _without_empty(TableData(headings, rows, _bold(judged), optional=("p", *reversed(others))), metric)


def _without_empty(found: TableData, metric: str) -> TableData:
    """The same without columns in which nothing can stand: splits without images, tests of no accuracy."""
    for heading in found.optional:
        place = found.headings.index(heading)
        is_test = (
            heading == "p" and schema.split_of(metric) is not None
        )  # the best alone has none, but others do
        if not is_test and not any(row[place] for row in found.rows):
            found = found.without(heading)
    return found


def _bold(judged: Sequence[Ranked]) -> list[int]:
    return [index for index, entry in enumerate(judged) if entry.place == 1]


def _seeds(found: Configuration, metric: str, most: int) -> str:
    """How many seeds a mean is taken over, and of how many where some are missing."""
    counted = found.spreads[metric].count if metric in found.spreads else 0
    return str(counted) if counted == most else f"{counted} of {most}"


def _spread_cells(found: Configuration, metric: str) -> list[str]:
    spread = found.spreads.get(metric)
    return ["", ""] if spread is None else [_number(spread.mean), _number(spread.deviation)]


def _p_text(entry: Ranked) -> str:
    if entry.p_vs_best is None or entry.place == 1:
        return ""
    return "<0.001" if entry.p_vs_best < 0.001 else f"{entry.p_vs_best:.3f}"


def ranking_frame(
    judged: Sequence[RankedRun],
    groups: Sequence[RankedConfiguration],
    unranked: Sequence[StoredRun],
    metric: str,
) -> pd.DataFrame:
    """A row per run, best first, for programs: `frame_of` with rank, interval, p value and mark.

    Where configurations were repeated with several seeds, also the rank of each run's configuration, the
    number of its seeds, mean and standard deviation of the metric over them, its p value and mark. Runs that
    are not ranked, because they have not finished, stand last and have none of that.
    """
    frame = frame_of([*(entry.run for entry in judged), *unranked])
    nothing = [None] * len(unranked)
    nan = float("nan")
    places = [*(entry.place for entry in judged), *nothing]
    frame.insert(0, "rank", pd.Series(places, index=frame.index, dtype="Int64"))
    intervals = [entry.interval or (nan, nan) for entry in judged] + [(nan, nan)] * len(unranked)
    frame["interval_low"] = [low for low, _ in intervals]
    frame["interval_high"] = [high for _, high in intervals]
    frame["p_vs_best"], frame["tied_with_best"] = _p_columns(judged, len(unranked))
    if groups:
        of_run = {run.run_id: group for group in groups for run in group.configuration.members}
        mine = [of_run[entry.run.run_id] for entry in judged]
        spreads = [group.configuration.spreads.get(metric, Spread(nan, nan, 0)) for group in mine]
        places, counts = [group.place for group in mine], [spread.count for spread in spreads]
        frame["configuration_rank"] = pd.array([*places, *nothing], dtype="Int64")
        frame["seeds"] = pd.array([*counts, *nothing], dtype="Int64")
        frame["mean"] = [*(spread.mean for spread in spreads), *nothing]
        frame["sd"] = [*(spread.deviation for spread in spreads), *nothing]
        frame["configuration_p_vs_best"], frame["configuration_tied_with_best"] = _p_columns(
            mine, len(unranked)
        )
    return frame


def _p_columns(judged: Sequence[Ranked], unranked: int) -> tuple[Any, Any]:
    """The p value and the mark of each, nothing where there was no test."""
    values = [float("nan") if entry.p_vs_best is None else entry.p_vs_best for entry in judged]
    marks = [None if entry.p_vs_best is None else entry.tied_with_best for entry in judged]
    nothing = [None] * unranked
    return [*values, *nothing], pd.array([*marks, *nothing], dtype="boolean")


def _other_splits(metric: str) -> list[str]:
    return [name for name in (schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY) if name != metric]


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4f}"
