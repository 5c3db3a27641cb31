"""The report of a sweep: one HTML page with the answer, the ranking, all pictures and their origin."""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from swath import analysis, tracking
from swath.plotting.figures import draw_sweep
from swath.tracking import schema

MOST_ROWS = 500
"""Rows of the ranking."""

OPEN_ROWS = 20
"""Rows that are shown at first; the others unfold."""

CAPTIONS = {
    "accuracy": "Accuracy over the grid. Bars: 95% interval of a run, or standard deviation over seeds.",
    "heat_map": "The same as a map; the frame marks the best.",
    "best_so_far": (
        "Best value so far over the image-steps of all trials. Dashed: what random search is expected to "
        "find for them, if it draws from the same values and trains every trial to its full length; a "
        "stopped trial counts with its last value."
    ),
    "rungs": "A line for each trial, from rung to rung; bars mark the last that went on.",
    "slices": "The last value of each trial over each field; the lighter, the earlier it was stopped.",
    "importance": "What distinguishes the best trials from all (PED-ANOVA).",
    "learning_curves": "Training accuracy over steps.",
    "loss_curves": "Training loss over steps.",
    "accuracy_by_steps": "The same over the number of steps.",
    "weights": "What the best and the worst run have learned, one picture for each class.",
    "confusion": "Test images by true and predicted class, of the best run.",
}


def report_html(
    reader: tracking.Reader,
    sweep: analysis.Sweep,
    store: str,
    metric: str | None = None,
    drawn: Sequence[Path] | None = None,
) -> str:
    """The report of a sweep with at least one finished run; it needs no other file and no network.

    Args:
      reader: reader of the sweep's store.
      sweep: the sweep.
      store: address of the store without passwords, for display.
      metric: metric to rank by; None for the default.
      drawn: the files that `draw_sweep` has written as `png`; None to draw the figures.

    Raises:
      SwathError: a run's files cannot be read.
    """
    runs = sweep.finished
    history = analysis.history_of(reader, sweep)
    ranked_by = analysis.metric_of(runs, metric or (history.objective if history else None))
    ranked, groups = analysis.rank_sweep(runs, ranked_by)
    entries: Sequence[analysis.Ranked] = groups or ranked
    tags = (sweep.summary_run or ranked[0].run).tags
    best = ranked[0].run
    validated = any(schema.VALIDATION_ACCURACY in run.metrics for run in runs)
    columns, rows = analysis.ranking_page(ranked, groups, sweep.swept, ranked_by, MOST_ROWS)
    space = analysis.stored_space(sweep) if history is None else history.fields
    answer = analysis.answer_of(ranked, groups, sweep.runs, sweep.swept, ranked_by, space)
    values: dict[str, Any] = {
        "title": f"sweep {sweep.name} {sweep.sweep_id}",
        "heading": tags.get(schema.QUESTION) or f"Sweep {sweep.name}",
        "meta": f"{sweep.heading(store)}: {_counts(sweep)}.",
        "answer": [*analysis.answer_lines(answer), *(analysis.confirmed_lines(history) if history else ())],
        "ranked_by": analysis.ranked_by(ranked_by, bool(groups), validated),
        "columns": columns,
        "rows": rows,
        "open_rows": OPEN_ROWS,
        "more": f"... {len(entries) - MOST_ROWS} more rows." if len(entries) > MOST_ROWS else "",
        "notes": analysis.importance_notes(runs, sweep.swept, ranked_by, bool(groups), history),
        "search": {} if history is None else _search(history),
        "pictures": _pictures(reader, sweep, store, metric) if drawn is None else _drawn(drawn),
        "command": tags.get(schema.COMMAND, "unknown"),
        "sweep_id": sweep.sweep_id,
        "environment": list(_environment({**best.tags, **tags})),
    }
    template = files("swath.plotting").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=False).from_string(template).render(values)


def _search(history: analysis.SearchHistory) -> dict[str, Any]:
    """What the page says of a search: its rungs, its trials, and which were evaluated on the test images."""
    return {
        "rungs": analysis.rung_page(history),
        "trials": analysis.trial_page(history),
        "untested": analysis.untested_line(history),
    }


def _counts(sweep: analysis.Sweep) -> str:
    counts = sweep.counts
    others = [
        f"{counts[status]} {status.lower()}" for status in ("FAILED", "KILLED", "RUNNING") if counts[status]
    ]
    return ", ".join([f"{counts['FINISHED']} runs finished", *others])


def _pictures(
    reader: tracking.Reader, sweep: analysis.Sweep, store: str, metric: str | None
) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        return _drawn(draw_sweep(reader, sweep, Path(folder), store, metric))


def _drawn(paths: Sequence[Path]) -> list[dict[str, str]]:
    return [
        {
            "data": base64.b64encode(path.read_bytes()).decode("ascii"),
            "caption": CAPTIONS.get(path.stem, path.stem),
        }
        for path in paths
    ]


def _environment(tags: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, label in tracking.PROVENANCE_TAGS.items():
        if name in tags:
            yield label, tags[name]
    if schema.HOST in tags:
        yield "machine", tags[schema.HOST]
