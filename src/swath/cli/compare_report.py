"""Output of `swath-compare`: rows on standard output or in a file, notes on standard error."""

import argparse
from collections.abc import Sequence

from swath import analysis
from swath.analysis import DIGITS, one_line
from swath.cli.compare_notes import failure_lines, postprocessing_lines, ranking_notes, state_lines
from swath.cli.compare_rows import Rows, cell_text, format_of, ranking, sorted_by, write
from swath.cli.compare_search import show_search
from swath.cli.compare_tables import list_frame, list_rows
from swath.cli.formats import FOR_PEOPLE, FOR_PROGRAMS, write_whole
from swath.cli.output import print_note
from swath.cli.ranking_tables import ranking_rows
from swath.cli.tables import Column, TableData
from swath.errors import SwathError, UsageError
from swath.system import hide_password
from swath.tracking import Reader, StoredRun, check_located, default_uri, schema


def show_list(sweeps: Sequence[analysis.Sweep], args: argparse.Namespace) -> None:
    """Print the sweeps of a store, oldest first, of one user or since a date if requested."""
    if not sweeps:
        print_note(analysis.NO_SWEEPS)
    kept = [sweep for sweep in sweeps if args.owner in (None, sweep.owner)]
    if sweeps and not kept:
        owners = list(dict.fromkeys(sweep.owner for sweep in reversed(sweeps) if sweep.owner))
        print_note(
            analysis.unknown_name(f"no sweep of owner {args.owner}", args.owner, owners or ["(unknown)"])
        )
    if args.since is not None:
        since_ms = args.since.timestamp() * 1000
        kept, before = [sweep for sweep in kept if sweep.start_ms >= since_ms], kept
        if before and not kept:
            latest = analysis.local_date(before[-1].start_ms)
            print_note(f"no sweep since {args.since:%Y-%m-%d %H:%M}; the latest: {latest}")
    frame = sorted_by(list_frame(kept), args.sort)
    write(args, Rows(frame, list_rows(frame, DIGITS if args.digits is None else args.digits)), "Sweeps")


def show_ranking(reader: Reader, sweep: analysis.Sweep, args: argparse.Namespace) -> None:
    """Print the ranking of a sweep; draw its plots and register its best run if requested."""
    address = args.uri or default_uri()
    if args.register:
        check_located(address, sweep.experiment_ids)
    store = hide_password(address, address)
    whole, total = sweep, len(sweep.runs)
    sweep = analysis.holding(sweep, args.where)
    for line in [*analysis.short_lines(whole.heading(store)), *state_lines(whole)]:
        print_note(line)
    if args.where is not None and not sweep.runs:
        none = f"--where {args.where!r} holds for none of {total} runs"
        raise UsageError(none)
    runs = sweep.finished
    unranked = [run for run in sweep.runs if run.status != "FINISHED"]
    if not runs:
        _show_unranked(sweep, unranked, args)
        return
    history = analysis.history_of(reader, whole)
    if args.long and history is None:
        raise UsageError(f"--long: sweep {whole.name} {whole.sweep_id} is no search; remove it")
    metric = analysis.metric_of(runs, args.metric or (history.objective if history else None))
    ranked, groups = analysis.rank_sweep(runs, metric)
    rows = ranking(ranked, groups, unranked, sweep.swept, metric, args, store)
    write(args, rows, sweep.heading(store))
    told = history if args.where is None else None  # a part of a search has no rungs
    notes = [
        *ranking_notes(sweep, ranked, groups, metric, told),
        *failure_lines(sweep, analysis.MAX_FAILURES),
    ]
    for line in [*notes, *postprocessing_lines(whole)]:
        print_note(line)
    space = analysis.stored_space(whole) if history is None else history.fields
    if told is not None:
        show_search(told, args.long, args.digits)
    answer = analysis.answer_of(ranked, groups, whole.runs, sweep.swept, metric, space)
    for line in analysis.answer_lines(answer):
        print_note(line)
    _show_pages(sweep, args)
    if args.plots:
        from swath.plotting import PlotStyle, draw_sweep

        style = PlotStyle(
            "svg" if args.svg else args.plot_format or "png", args.dpi or PlotStyle.dpi, args.size
        )
        for path in draw_sweep(reader, sweep, args.plots, store, metric, style):
            print_note(f"wrote {path}")
    if args.report:
        from swath.plotting import report_html

        write_whole(args.report, report_html(reader, sweep, store, metric), "--report")
        print_note(f"wrote {args.report}")
    if args.register:
        from swath.sweeps import register_best

        print_note(register_best(sweep, ranked[0], metric, args.register, args.uri))


def _show_unranked(sweep: analysis.Sweep, unranked: Sequence[StoredRun], args: argparse.Namespace) -> None:
    """Print a sweep without a finished run.

    Raises:
      SwathError: the whole sweep has ended, or plots or a registration need a finished run.
    """
    if format_of(args) in FOR_PROGRAMS:
        _write_unranked(args, unranked)
    for line in failure_lines(sweep, analysis.MAX_FAILURES):
        print_note(line)
    _show_pages(sweep, args)
    for_people = format_of(args) in FOR_PEOPLE or (args.output is not None and format_of(args) == "table")
    may_be_empty = args.where is not None or sweep.status == "RUNNING"
    if args.plots or args.register or args.report or for_people or not may_be_empty:
        raise SwathError(f"no run of sweep {sweep.name} {sweep.sweep_id} has finished; nothing to rank")


def _write_unranked(args: argparse.Namespace, runs: Sequence[StoredRun]) -> None:
    address = args.uri or default_uri()
    frame = analysis.ranking_frame([], [], runs, "", hide_password(address, address))
    write(args, Rows(frame, ranking_rows([], (), schema.VALIDATION_ACCURACY)), "")


def _show_pages(sweep: analysis.Sweep, args: argparse.Namespace) -> None:
    if args.open:
        from swath.cli.open_page import open_page

        open_page(sweep, args.uri, args.all_of is not None)
    if args.ui:
        from swath.cli.compare_notes import page_lines

        for line in page_lines(sweep, args.uri, args.all_of is not None):
            print_note(line)


def close_all_stale(reader: Reader, uri: str | None) -> None:
    """End RUNNING runs whose process on this machine has died, and print them."""
    from swath.analysis import find_best
    from swath.tracking import close_stale, default_uri

    closed = close_stale(uri or default_uri(), reader.runs({schema.PID: None}, status="RUNNING"), find_best)
    for run in closed:
        print(one_line(f"{run.run_id}  closed as KILLED: {run.name}"))
    print_note(f"Closed {len(closed)} runs of processes that died.")


def show_diff(reader: Reader, args: argparse.Namespace) -> None:
    """Print the differences between two runs, or between two sweeps."""
    from swath.analysis import diff_lines, difference, run_with, stored_values

    first, second = args.diff
    known = {name for sweep in analysis.all_sweeps(reader) for name in (sweep.name, sweep.sweep_id)}
    if first in known and second in known:
        _show_sweep_diff(reader, first, second, args)
        return
    for name in ("metric", "sort", "limit", "format", "output", "columns", "digits", "per"):
        if getattr(args, name) is not None:
            raise UsageError(f"--{name}: not supported with --diff of two runs")
    runs = [run_with(reader, run_id) for run_id in (first, second)]
    for run in runs:
        if run.tags.get(schema.KIND) not in ("run", "reproduction"):
            raise UsageError(f"--diff: run {run.run_id} is not a run of one configuration made by swath")
    for line in diff_lines(difference(*(stored_values(reader, run) for run in runs))):
        print(one_line(line))


def _show_sweep_diff(reader: Reader, first: str, second: str, args: argparse.Namespace) -> None:
    """Print the configurations that two sweeps have in common, and how their results differ."""
    address = args.uri or default_uri()
    store = hide_password(address, address)
    sweeps = [analysis.find_sweep(reader, name) for name in (first, second)]
    for sweep in sweeps:
        print_note(sweep.heading(store))
        if not sweep.finished:
            raise SwathError(
                f"no run of sweep {sweep.name} {sweep.sweep_id} has finished; nothing to compare"
            )
    found = analysis.compare_sweeps(sweeps[0], sweeps[1], args.metric)
    frame = sorted_by(analysis.sweep_diff_frame(found), args.sort)
    names = [str(name) for name in frame.columns]
    digits = DIGITS if args.digits is None else args.digits
    cells = [
        [cell_text(name, value, digits) for name, value in zip(names, row, strict=True)]
        for row in frame.to_numpy(dtype=object).tolist()
    ]
    table = TableData([Column(str(name)) for name in frame.columns], cells)
    write(args, Rows(frame, table), f"{sweeps[0].heading(store)}, and {sweeps[1].heading(store)}")
    for line in analysis.sweep_diff_lines(found):
        print_note(line)
