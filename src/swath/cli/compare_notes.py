"""Text around the ranking of `swath-compare`: notes, failures, and addresses of MLflow's pages."""

import time
from collections.abc import Sequence

from swath import analysis, tracking
from swath.execution import SINGLE
from swath.system import hide_password
from swath.tracking import schema

POSTPROCESS_S = 120.0
"""Seconds after the end of a sweep within which its postprocessing may still be running."""


def state_lines(sweep: analysis.Sweep) -> list[str]:
    """A line about a sweep that has not ended."""
    if sweep.status != "RUNNING":
        return []
    planned = "" if sweep.summary_run is None else f" of {sweep.summary_run.tags.get(schema.ASKED_FOR, '?')}"
    finished = f"{len(sweep.finished)}{planned} configurations have finished"
    return analysis.short_lines(
        f"Sweep {sweep.name} {sweep.sweep_id} is still running or was interrupted: {finished} "
        "(to end runs of processes that died: swath-compare --close-stale)."
    )


def ranking_notes(
    sweep: analysis.Sweep,
    ranked: Sequence[analysis.RankedRun],
    groups: Sequence[analysis.RankedConfiguration],
    metric: str,
    history: analysis.SearchHistory | None = None,
) -> list[str]:
    """The lines below a ranking: how it was ranked, what mattered, and what is missing.

    Args:
      sweep: the sweep.
      ranked: the runs, best first.
      groups: the configurations, best first; empty if none has several seeds.
      metric: the metric that ranks.
      history: the search, if it is one.
    """
    runs = [entry.run for entry in ranked]
    validated = any(schema.VALIDATION_ACCURACY in run.metrics for run in runs)
    notes = [analysis.ranked_by(metric, bool(groups), validated)]
    if len({analysis.images_of(run, metric) for run in runs}) > 1:
        notes.append("Accuracies were measured on different images, so their order is not meaningful.")
    if groups:
        notes += _seed_notes(groups) if history is None else []  # a search confirms few on purpose
        runs = [run for group in groups for run in group.configuration.by_seed.values()]
    notes += analysis.importance_notes(runs, sweep.swept, metric, bool(groups), history)
    counts = sweep.counts
    missing = [
        f"{counts[status]} {status.lower()}" for status in ("RUNNING", "FAILED", "KILLED") if counts[status]
    ]
    if missing:
        notes.append(f"Not ranked: {', '.join(missing)}.")
    return notes


def postprocessing_lines(sweep: analysis.Sweep) -> list[str]:
    """A line if plots and models of a sweep are missing."""
    run = sweep.summary_run
    if run is None or run.status in tracking.OPEN_STATUSES or not sweep.finished or run.end_ms is None:
        return []
    state = run.tags.get(schema.AFTERWARDS)
    make = f"make them with: swath-compare {sweep.sweep_id} --postprocess"
    if state is None and time.time() - run.end_ms / 1000 > POSTPROCESS_S:
        return [f"This sweep has no plots and no model yet; {make}"]
    if state not in (None, "done"):
        return [f"Not all plots and models could be made ({state}); {make}"]
    return []


def failure_lines(sweep: analysis.Sweep, most: int) -> list[str]:
    """A line for each run that failed or was killed, with its reason."""
    failed = [run for run in sweep.runs if run.status in ("FAILED", "KILLED")]
    lines = [
        analysis.failure_line(run.status, run.named_by(sweep.swept), run.tags.get(schema.ERROR), run.run_id)
        for run in failed[:most]
    ]
    lines = [part for line in lines for part in analysis.short_lines(line)]
    if len(failed) > most:
        lines.append(f"... and {len(failed) - most} more")
    return lines


def _seed_notes(groups: Sequence[analysis.RankedConfiguration]) -> list[str]:
    most = max(len(group.configuration.by_seed) for group in groups)
    fewer = sum(len(group.configuration.by_seed) < most for group in groups)
    return [f"Fewer than {most} seeds: {fewer} of {len(groups)} configurations."] if fewer else []


def page_lines(sweep: analysis.Sweep, uri: str | None, all_of: bool) -> list[str]:
    """The addresses of the pages that show a sweep, and the command that starts MLflow's UI.

    Args:
      sweep: a sweep with at least one run.
      uri: store given on the command line; None for the default.
      all_of: whether this is all sweeps of a name, possibly from several experiments.
    """
    address = uri or tracking.default_uri()
    server = tracking.page_server(hide_password(address, address), sweep.any_run.run_id)
    return [server.line(label, page) for label, page in pages_of(sweep, address, all_of)]


def pages_of(sweep: analysis.Sweep, address: str, all_of: bool) -> list[tuple[str, str]]:
    """Label and path of each page that shows a sweep, the table first."""
    experiments = sweep.experiment_ids
    if sweep.name == SINGLE and len(sweep.runs) == 1:
        return [("See it", tracking.run_page(experiments[0], sweep.any_run.run_id))]
    pages = [_runs_page(sweep, experiment, address, all_of) for experiment in experiments]
    if sweep.summary_run is not None:
        pages.append(("Report", tracking.run_page(experiments[0], sweep.summary_run.run_id)))
    return pages


def _runs_page(sweep: analysis.Sweep, experiment: str, address: str, all_of: bool) -> tuple[str, str]:
    """Title and path of the page with the runs of a sweep."""
    if all_of:
        where = "" if len(sweep.experiment_ids) == 1 else f" in experiment {experiment}"
        return f"See them{where}", tracking.filtered_page(experiment, tracking.name_filter(sweep.name))
    if tracking.has_shared_view(address, experiment, sweep.sweep_id):
        return "See it", tracking.runs_page(experiment, sweep.sweep_id)
    return "See it", tracking.filtered_page(experiment, tracking.sweep_filter(sweep.sweep_id))
