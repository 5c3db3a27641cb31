"""A sweep's ranking, as rows and as the sentences below it."""

from collections.abc import Sequence

import pandas as pd

from swath.comparing.effects import effects_sentence
from swath.comparing.frame import frame_of
from swath.comparing.judged import NOISE_FIELDS, Judged, JudgedGroup, effects_of
from swath.comparing.sweeps import Sweep

MARK = "="
"""Stands beside a configuration that cannot be told from the best."""


def ranking_headings(swept: Sequence[str], metric: str) -> list[str]:
    """Headings of the rows of `ranking_rows`."""
    return ["rank", "", *swept, metric, "95 % interval", "p", *_other_splits(metric), "time (s)", "run"]


def ranking_rows(judged: Sequence[Judged], swept: Sequence[str], metric: str) -> list[list[str]]:
    """A row per run, best first."""
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
                "" if entry.interval is None else f"{entry.interval[0]:.4f}-{entry.interval[1]:.4f}",
                "" if entry.p_best is None or entry.place == 1 else f"{entry.p_best:.3f}",
                *(_number(metrics.get(name)) for name in _other_splits(metric)),
                f"{seconds:.2f}",
                entry.run.run_id,
            ]
        )
    return rows


def group_headings(swept: Sequence[str], metric: str) -> list[str]:
    """Headings of the rows of `group_rows`."""
    fields = [field for field in swept if field not in NOISE_FIELDS]
    names = [metric, *_other_splits(metric)]
    return ["rank", "", *fields, "seeds", *(part for name in names for part in (name, "s.d."))]


def group_rows(groups: Sequence[JudgedGroup], swept: Sequence[str], metric: str) -> list[list[str]]:
    """A row per configuration with its seeds, best first: mean and standard deviation."""
    rows = []
    for group in groups:
        row = [str(group.place), MARK if group.like_best else ""]
        row += [group.members[0].params.get(field, "") for field in swept if field not in NOISE_FIELDS]
        row.append(str(len(group.members)))
        for name in (metric, *_other_splits(metric)):
            found = group.spreads.get(name)
            row += ["", ""] if found is None else [_number(found.mean), _number(found.deviation)]
        rows.append(row)
    return rows


def ranking_frame(judged: Sequence[Judged], groups: Sequence[JudgedGroup], metric: str) -> pd.DataFrame:
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
    frame["like_best"] = [entry.like_best for entry in judged]
    if groups:
        of_run = {run.run_id: group for group in groups for run in group.members}
        mine = [of_run[entry.run.run_id] for entry in judged]
        frame["configuration_rank"] = [group.place for group in mine]
        frame["seeds"] = [len(group.members) for group in mine]
        frame["mean"] = [group.spreads[metric].mean if metric in group.spreads else nan for group in mine]
        frame["sd"] = [group.spreads[metric].deviation if metric in group.spreads else nan for group in mine]
    return frame


def ranking_notes(
    sweep: Sweep, judged: Sequence[Judged], groups: Sequence[JudgedGroup], metric: str
) -> list[str]:
    """What stands below a ranking: how it was ranked, what cannot be told apart, what mattered."""
    notes = [f"Ranked by {metric}."]
    if metric == "test/accuracy" and not any("validation/accuracy" in run.metrics for run in sweep.finished):
        notes = [
            "Ranked by test/accuracy, because no images were held back for validation: the best is flattered."
        ]
    alike: Sequence[Judged] | Sequence[JudgedGroup] = groups or judged
    what = "configurations, over the images of all seeds" if groups else "runs"
    if len(alike) > 1 and any(entry.p_best is not None for entry in alike):
        others = sum(entry.like_best for entry in alike) - 1
        notes.append(
            f"{MARK}: cannot be told from the best at 95 % (McNemar's test, p > 0.05): {others} of the other "
            f"{len(alike) - 1} {what}."
        )
    runs = [entry.run for entry in judged]
    effects = effects_of(runs, sweep.swept, metric)
    if effects and len(effects) > 1:
        notes.append(effects_sentence(effects, metric) + ".")
    counts = sweep.counts
    missing = [
        f"{counts[status]} {status.lower()}" for status in ("RUNNING", "FAILED", "KILLED") if counts[status]
    ]
    if missing:
        notes.append(f"Not in the ranking: {', '.join(missing)}.")
    return [note for note in notes if note]


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
