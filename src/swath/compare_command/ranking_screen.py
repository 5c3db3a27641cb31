"""A sweep's ranking, as rows and as the sentences below it."""

import math
from collections.abc import Sequence

import pandas as pd

from swath.comparing.configurations import Configuration, JudgedConfiguration
from swath.comparing.effects import effects_lines, effects_of
from swath.comparing.frame import frame_of
from swath.comparing.judged import Judged
from swath.comparing.statistics import Spread
from swath.comparing.sweeps import Sweep
from swath.config.fields import named_values
from swath.ranking import REPEATED_BY
from swath.reading.records import StoredRun
from swath.tables import RUN, Rows

MARK = "="
"""Stands beside a configuration that cannot be told from the best."""

INTERVAL, TIME = "95 % interval", "time (s)"


def ranking_rows(judged: Sequence[Judged], swept: Sequence[str], metric: str) -> Rows:
    """A row per run, in the order given; the best stands out."""
    rows = []
    for entry in judged:
        metrics = entry.run.metrics
        seconds = metrics.get("runtime/train_s", 0.0) + metrics.get("runtime/evaluate_s", 0.0)
        rows.append(
            [
                str(entry.place),
                MARK if entry.like_best else "",
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
    return Rows(headings, rows, _bold(judged), expendable=(TIME, "p", *_other_splits(metric), INTERVAL))


def configuration_rows(judged: Sequence[JudgedConfiguration], swept: Sequence[str], metric: str) -> Rows:
    """A row per configuration with its seeds, in the order given: mean and standard deviation."""
    fields = [field for field in swept if field not in REPEATED_BY]
    rows = []
    for entry in judged:
        found = entry.configuration
        rows.append(
            [
                str(entry.place),
                MARK if entry.like_best else "",
                *(found.members[0].params.get(field, "") for field in fields),
                str(len(found.by_seed)),
                *_spread_cells(found, metric),
                _p_text(entry),
                *(cell for name in _other_splits(metric) for cell in _spread_cells(found, name)),
            ]
        )
    others = [part for name in _other_splits(metric) for part in (name, f"{name.partition('/')[0]} s.d.")]
    headings = ["rank", "", *fields, "seeds", metric, "s.d.", "p", *others]
    return Rows(headings, rows, _bold(judged), expendable=("p", *reversed(others)))


def _bold(judged: Sequence[Judged | JudgedConfiguration]) -> list[int]:
    return [index for index, entry in enumerate(judged) if entry.place == 1]


def _spread_cells(found: Configuration, metric: str) -> list[str]:
    spread = found.spreads.get(metric)
    return ["", ""] if spread is None else [_number(spread.mean), _number(spread.deviation)]


def _p_text(entry: Judged | JudgedConfiguration) -> str:
    if entry.p_best is None or entry.place == 1:
        return ""
    return "<0.001" if entry.p_best < 0.001 else f"{entry.p_best:.3f}"


def ranking_frame(
    judged: Sequence[Judged], groups: Sequence[JudgedConfiguration], metric: str
) -> pd.DataFrame:
    """A row per run, best first, for programs: `frame_of` with rank, interval, p value and mark.

    Where configurations were repeated with several seeds, also the rank of each run's configuration, the
    number of its seeds, and mean and standard deviation of the metric over them.
    """
    frame = frame_of([entry.run for entry in judged])
    frame.insert(0, "rank", [entry.place for entry in judged])
    nan = float("nan")
    nothing = (nan, nan)
    intervals = [entry.interval or nothing for entry in judged]
    frame["interval_low"] = [low for low, _ in intervals]
    frame["interval_high"] = [high for _, high in intervals]
    frame["p_best"] = [float("nan") if entry.p_best is None else entry.p_best for entry in judged]
    alike = [None if entry.p_best is None else entry.like_best for entry in judged]
    frame["like_best"] = pd.array(alike, dtype="boolean")
    if groups:
        of_run = {run.run_id: group for group in groups for run in group.configuration.members}
        mine = [of_run[entry.run.run_id] for entry in judged]
        spreads = [group.configuration.spreads.get(metric, Spread(nan, nan, 0)) for group in mine]
        frame["configuration_rank"] = [group.place for group in mine]
        frame["seeds"] = [len(group.configuration.by_seed) for group in mine]
        frame["mean"] = [spread.mean for spread in spreads]
        frame["sd"] = [spread.deviation for spread in spreads]
    return frame


def ranking_notes(
    sweep: Sweep, judged: Sequence[Judged], groups: Sequence[JudgedConfiguration], metric: str
) -> list[str]:
    """What stands below a ranking: how it was ranked, what cannot be told apart, what mattered."""
    notes = [f"Ranked by {metric}{', mean over seeds' if groups else ''}."]
    if metric == "test/accuracy" and not any("validation/accuracy" in run.metrics for run in sweep.finished):
        notes = [
            "Ranked by test/accuracy, because no images were held back for validation: the best is flattered."
        ]
    notes += _alike_notes(judged, groups)
    if groups:
        best = judged[0]
        name = named_values(best.run.params, sweep.swept)
        notes.append(f"Best single run: {name}, {_number(best.value)} (run {best.run.run_id}).")
    notes += _effects_notes([entry.run for entry in judged], sweep.swept, metric)
    counts = sweep.counts
    missing = [
        f"{counts[status]} {status.lower()}" for status in ("RUNNING", "FAILED", "KILLED") if counts[status]
    ]
    if missing:
        notes.append(f"Not in the ranking: {', '.join(missing)}.")
    return notes


def _alike_notes(judged: Sequence[Judged], groups: Sequence[JudgedConfiguration]) -> list[str]:
    alike: Sequence[Judged] | Sequence[JudgedConfiguration] = groups or judged
    if len(alike) < 2 or all(entry.p_best is None for entry in alike[1:]):
        return []
    what, test = ("configurations", "a paired test over images") if groups else ("runs", "McNemar's test")
    others = sum(entry.like_best for entry in alike[1:])
    return [
        f"{MARK}: cannot be told from the best at 95 % ({test}, p > 0.05): {others} of the other "
        f"{len(alike) - 1} {what}."
    ]


def _effects_notes(runs: Sequence[StoredRun], swept: Sequence[str], metric: str) -> list[str]:
    fields = [field for field in swept if field not in REPEATED_BY]
    grid = {field: [run.params.get(field, "") for run in runs] for field in fields}
    effects = effects_of(grid, [run.metrics.get(metric, math.nan) for run in runs])
    if effects is None or (len(effects.fields) < 2 and effects.repeats is None):
        return []  # a single field explains everything
    return effects_lines(effects, metric, ", ".join(REPEATED_BY))


def failure_lines(sweep: Sweep, most: int) -> list[str]:
    """A line for each run that failed, with its reason."""
    failed = [run for run in sweep.runs if run.status in ("FAILED", "KILLED")]
    lines = [
        f"{run.status} {run.name}: {run.tags.get('swath.error', 'no reason was stored')} (run {run.run_id})"
        for run in failed[:most]
    ]
    if len(failed) > most:
        lines.append(f"... and {len(failed) - most} more")
    return lines


def _other_splits(metric: str) -> list[str]:
    return [name for name in ("validation/accuracy", "test/accuracy") if name != metric]


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4f}"
