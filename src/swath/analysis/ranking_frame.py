"""Rankings as data frames: a row for each run, or for each configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from swath.analysis.frame import frame_of, holding
from swath.analysis.ranking import REPEATED_BY, metric_of, ordered, repetition_of
from swath.analysis.significance import Ranked, RankedConfiguration, RankedRun, rank_sweep
from swath.analysis.sweeps import Configuration, Spread, find_sweep
from swath.config import typed
from swath.system import hide_password
from swath.tracking import StoredRun, default_uri, open_reader, schema


def ranking_frame(
    ranked: Sequence[RankedRun],
    groups: Sequence[RankedConfiguration],
    unranked: Sequence[StoredRun],
    metric: str,
    store: str = "",
) -> pd.DataFrame:
    """`frame_of` with ranks, intervals and tests, best run first.

    Additional columns: `rank`, `interval_low`, `interval_high`, `p_vs_best`, `tied_with_best`; if
    configurations were repeated with several seeds, also `configuration_rank`, `seeds` (number of them),
    `mean` and `sd` of the metric, `configuration_p_vs_best` and `configuration_tied_with_best`.

    Args:
      ranked: ranked runs.
      groups: ranked configurations; empty if nothing was repeated.
      unranked: runs that have not finished; they come last, with empty additional columns.
      metric: the metric that ranks.
      store: address of the store without passwords, which is a column too; empty for none.
    """
    frame = frame_of([*(entry.run for entry in ranked), *unranked])
    nothing = [None] * len(unranked)
    nan = float("nan")
    ranks = pd.Series([*(entry.place for entry in ranked), *nothing], index=frame.index, dtype="Int64")
    frame.insert(0, "rank", ranks)
    intervals = [entry.interval or (nan, nan) for entry in ranked] + [(nan, nan)] * len(unranked)
    frame["interval_low"] = [low for low, _ in intervals]
    frame["interval_high"] = [high for _, high in intervals]
    frame["p_vs_best"], frame["tied_with_best"] = _test_columns(ranked, len(unranked))
    if groups:
        of_run = {run.run_id: group for group in groups for run in group.configuration.members}
        mine = [of_run[entry.run.run_id] for entry in ranked]
        spreads = [group.configuration.spreads.get(metric, Spread(nan, nan, 0)) for group in mine]
        places, counts = [group.place for group in mine], [spread.count for spread in spreads]
        frame["configuration_rank"] = pd.array([*places, *nothing], dtype="Int64")
        frame["seeds"] = pd.array([*counts, *nothing], dtype="Int64")
        frame["mean"] = [*(spread.mean for spread in spreads), *nothing]
        frame["sd"] = [*(spread.std for spread in spreads), *nothing]
        frame["configuration_p_vs_best"], frame["configuration_tied_with_best"] = _test_columns(
            mine, len(unranked)
        )
    return _from(store, frame)


def _from(store: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with the store that they are from, after the sweep's id."""
    if store:
        frame.insert(list(frame.columns).index("sweep_id") + 1, "store", store)
    return frame


def configuration_frame(
    ranked: Sequence[RankedConfiguration],
    swept: Sequence[str],
    metric: str,
    also: Sequence[str] = (),
    store: str = "",
) -> pd.DataFrame:
    """One row per configuration, in the given order.

    Columns: `rank` (int64), `sweep`, `sweep_id`, `owner` (str; several in one cell if its runs are of several
    sweeps), `started` (datetime64, UTC, of its first run), the fields that vary except the seed, `n` (int64,
    number of seeds); for the metric that ranks, for validation and test accuracy, and for further metrics,
    the mean over seeds by the metric's name and the sample standard deviation as `NAME sd` (float64, NaN if
    missing); `p_vs_best`, `tied_with_best`, `best_run_id`.

    Args:
      ranked: the configurations.
      swept: the fields that vary.
      metric: the metric that ranks.
      also: further metrics.
      store: see `ranking_frame`.
    """
    fields = [field for field in swept if field not in REPEATED_BY]
    names = list(dict.fromkeys([metric, schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY, *also]))
    nothing = Spread(float("nan"), float("nan"), 0)
    rows = []
    for entry in ranked:
        found = entry.configuration
        params = found.members[0].params
        row = {"rank": entry.place, **_origin(list(found.by_seed.values()))}
        row |= {field: typed(field, params.get(field, "")) for field in fields}
        row["n"] = found.spreads.get(metric, nothing).count
        for name in names:
            spread = found.spreads.get(name, nothing)
            row |= {name: spread.mean, f"{name} sd": spread.std}
        rows.append(row | {"best_run_id": ordered(list(found.by_seed.values()), metric)[0].run_id})
    means = [column for name in names for column in (name, f"{name} sd")]
    frame = pd.DataFrame(rows, columns=["rank", *ORIGIN, *fields, "n", *means, "best_run_id"])
    frame["started"] = pd.to_datetime(frame["started"], unit="ms", utc=True).dt.as_unit("ms")
    missing = [name for name in names[1:] if frame[name].isna().all()]  # no validation images
    frame = frame.drop(columns=[column for name in missing for column in (name, f"{name} sd")])
    p_values, ties = _test_columns(ranked, 0)
    frame.insert(len(frame.columns) - 1, "p_vs_best", p_values)
    frame.insert(len(frame.columns) - 1, "tied_with_best", ties)
    return _from(store, frame)


ORIGIN = ("sweep", "sweep_id", "owner", "started")
"""Columns that tell where a configuration is from."""


def _origin(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """The sweep, its id, its owner and the first start of some runs."""
    tags = {"sweep": schema.SWEEP, "sweep_id": schema.SWEEP_ID, "owner": schema.USER}
    found: dict[str, Any] = {
        name: " ".join(dict.fromkeys(run.tags[tag] for run in runs if run.tags.get(tag))) or None
        for name, tag in tags.items()
    }
    return {**found, "started": min(run.start_ms for run in runs)}


def single_configurations(ranked: Sequence[RankedRun]) -> list[RankedConfiguration]:
    """Runs of a sweep without repetitions as configurations of one run each."""
    return [
        RankedConfiguration(
            place=entry.place,
            p_vs_best=entry.p_vs_best,
            configuration=Configuration((entry.run,), {repetition_of(entry.run.params): entry.run}),
        )
        for entry in ranked
    ]


def _test_columns(ranked: Sequence[Ranked], unranked: int) -> tuple[Any, Any]:
    """P values and marks; missing if there was no test."""
    values = [float("nan") if entry.p_vs_best is None else entry.p_vs_best for entry in ranked]
    marks = [None if entry.p_vs_best is None else entry.tied_with_best for entry in ranked]
    nothing = [None] * unranked
    return [*values, *nothing], pd.array([*marks, *nothing], dtype="boolean")


def compare(
    sweep: str, metric: str | None = None, where: str | None = None, uri: str | Path | None = None
) -> pd.DataFrame:
    """Rank the runs of a sweep, as `swath-compare SWEEP --format csv` does.

    Columns: those of `load_sweep`, and `store`, `rank`, `interval_low`, `interval_high`, `p_vs_best`,
    `tied_with_best`; if configurations were repeated with several seeds, also `configuration_rank`, `seeds`,
    `mean`, `sd`, `configuration_p_vs_best` and `configuration_tied_with_best`. Runs that have not finished
    come last, without a rank.

    Args:
      sweep: sweep id, or a name for its latest sweep.
      metric: metric to rank by; None for validation accuracy, or test accuracy without validation images.
      where: rank only runs for which this condition holds, such as `learning_rate < 1e-5`.
      uri: as in `load_sweep`.

    Raises:
      SwathError: there is no such store or sweep, no run has the metric, or the condition is not valid.
    """
    found = holding(find_sweep(open_reader(uri), sweep), where)
    address = str(uri or default_uri())
    store = hide_password(address, address)
    unranked = [run for run in found.runs if run.status != "FINISHED"]
    if not found.finished:
        return ranking_frame([], [], unranked, "", store)
    metric = metric_of(found.finished, metric)
    ranked, groups = rank_sweep(found.finished, metric)
    return ranking_frame(ranked, groups, unranked, metric, store)
