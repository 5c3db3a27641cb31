"""The sentences and addresses around a ranking of `swath-compare`."""

import math
from collections.abc import Sequence

from swath.analysis import (
    REPEATED_BY,
    Ranked,
    RankedConfiguration,
    RankedRun,
    Sweep,
    images_of,
    importance_lines,
    main_effects,
)
from swath.cli.compare_tables import MARK
from swath.config import named_values
from swath.execution import SINGLE
from swath.system import hide_password
from swath.tracking import (
    StoredRun,
    compare_url,
    default_uri,
    filtered_page,
    has_shared_view,
    name_filter,
    run_page,
    runs_page,
    schema,
    sweep_filter,
    ui_hints,
)


def state_lines(sweep: Sweep) -> list[str]:
    """What to know of a sweep that has not ended."""
    if sweep.status != "RUNNING":
        return []
    asked_for = "" if sweep.own is None else f" of {sweep.own.tags.get(schema.ASKED_FOR, '?')}"
    return [
        f"sweep {sweep.name} {sweep.sweep_id} is still running, or was cut off; "
        f"{len(sweep.finished)}{asked_for} configurations have finished so far "
        "(one that a dead process has left is ended by: swath-compare --close-stale)"
    ]


def ranking_notes(
    sweep: Sweep, judged: Sequence[RankedRun], groups: Sequence[RankedConfiguration], metric: str
) -> list[str]:
    """What stands below a ranking: how it was ranked, what cannot be told apart, what mattered."""
    runs = [entry.run for entry in judged]
    over = ", by the mean over seeds" if groups else ""
    notes = [f"Ranked by {metric}{over}."]
    if metric == schema.TEST_ACCURACY and not any(schema.VALIDATION_ACCURACY in run.metrics for run in runs):
        notes = [
            f"Ranked by {metric}{over}, because no images were held back for validation: the best is "
            "flattered."
        ]
    if len({images_of(run, metric) for run in runs}) > 1:
        notes.append("Accuracies are measured on different images, so places say little.")
    notes += _alike_notes(judged, groups)
    if groups:
        notes += _seed_notes(sweep, judged[0], groups)
    if groups:
        runs = [run for group in groups for run in group.configuration.by_seed.values()]
    notes += _effects_notes(runs, sweep.swept, metric, bool(groups))
    counts = sweep.counts
    missing = [
        f"{counts[status]} {status.lower()}" for status in ("RUNNING", "FAILED", "KILLED") if counts[status]
    ]
    if missing:
        notes.append(f"Not in the ranking: {', '.join(missing)}.")
    return notes


def failure_lines(sweep: Sweep, most: int) -> list[str]:
    """A line for each run that failed, with its reason."""
    failed = [run for run in sweep.runs if run.status in ("FAILED", "KILLED")]
    lines = [
        f"{run.status} {run.name}: {run.tags.get(schema.ERROR, 'no reason was stored')} (run {run.run_id})"
        for run in failed[:most]
    ]
    if len(failed) > most:
        lines.append(f"... and {len(failed) - most} more")
    return lines


def _alike_notes(judged: Sequence[RankedRun], groups: Sequence[RankedConfiguration]) -> list[str]:
    others: Sequence[Ranked] = (groups or judged)[1:]
    tested = [entry for entry in others if entry.p_vs_best is not None]
    what, test = ("configurations", "a paired test over images") if groups else ("runs", "McNemar's test")
    if not tested:
        return []
    alike = sum(entry.tied_with_best for entry in tested)
    notes = [
        f"{MARK}: cannot be told from the best at 95 % ({test}, p > 0.05, each for itself): {alike} of "
        f"{len(tested)} other {what}."
    ]
    if untested := len(others) - len(tested):
        notes.append(f"Not tested, for want of predictions or on other images: {untested} {what}.")
    return notes


def _seed_notes(sweep: Sweep, best: RankedRun, groups: Sequence[RankedConfiguration]) -> list[str]:
    name = named_values(best.run.params, sweep.swept)
    notes = [f"Best run of the best configuration: {name}, {best.value:.4f} (run {best.run.run_id})."]
    most = max(len(group.configuration.by_seed) for group in groups)
    if fewer := sum(len(group.configuration.by_seed) < most for group in groups):
        notes.append(f"Fewer than {most} seeds: {fewer} of {len(groups)} configurations.")
    return notes


def _effects_notes(runs: Sequence[StoredRun], swept: Sequence[str], metric: str, repeated: bool) -> list[str]:
    fields = [field for field in swept if field not in REPEATED_BY]
    grid = {field: [run.params.get(field, "") for run in runs] for field in fields}
    effects = main_effects(grid, [run.metrics.get(metric, math.nan) for run in runs])
    if effects is None or (len(effects.fields) < 2 and not repeated):
        return []  # a single field explains everything
    return importance_lines(effects, metric, ", ".join(REPEATED_BY) if repeated else None)


def page_lines(sweep: Sweep, best_first: Sequence[StoredRun], uri: str | None, all_of: bool) -> list[str]:
    """What to type and open to see a sweep.

    Args:
      sweep: the sweep, with at least one run.
      best_first: its finished runs.
      uri: of the store, as it was typed.
      all_of: whether it stands for all sweeps of its name, which may lie in several experiments.
    """
    address = uri or default_uri()
    experiments = sweep.experiment_ids
    a_run = (*best_first, *sweep.runs, *filter(None, [sweep.own]))[0]
    if sweep.name == SINGLE and len(sweep.runs) == 1:
        pages = [("its page", run_page(experiments[0], a_run.run_id))]
    else:
        pages = [_runs_page(sweep, experiment, address, all_of) for experiment in experiments]
        pages += compare_url(experiments, [run.run_id for run in best_first])
    return ui_hints(hide_password(address, address), pages, a_run.run_id)


def _runs_page(sweep: Sweep, experiment: str, address: str, all_of: bool) -> tuple[str, str]:
    """What a page shows, and its address."""
    if all_of:
        where = "" if len(sweep.experiment_ids) == 1 else f" in experiment {experiment}"
        return f"their runs{where}", filtered_page(experiment, name_filter(sweep.name))
    if has_shared_view(address, experiment, sweep.sweep_id):
        return "its runs", runs_page(experiment, sweep.sweep_id)
    return "its runs", filtered_page(experiment, sweep_filter(sweep.sweep_id))
