"""What `swath-compare` prints, and where: rows on standard output, everything else on standard error."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from rich.console import Console

from swath.analysis import (
    RankedConfiguration,
    RankedRun,
    Sweep,
    frame_of,
    have_several_seeds,
    matching,
    metric_of,
    rank_configurations_with_tests,
    rank_with_tests,
    read_correct_masks,
)
from swath.cli.compare_notes import failure_lines, ranking_notes, state_lines
from swath.cli.compare_tables import configuration_rows, list_frame, list_rows, ranking_frame, ranking_rows
from swath.cli.tables import (
    TableData,
    as_csv,
    as_json,
    as_markdown,
    one_line,
    print_table,
    table_text,
    write_whole,
)
from swath.errors import SwathError
from swath.tracking import Reader, StoredRun, schema

MOST_FAILURES = 20


NO_TERMINAL_WIDTH = 300


def show_list(sweeps: Sequence[Sweep], words: argparse.Namespace) -> None:
    """Show the sweeps of a store, oldest first."""
    if not sweeps:
        _say("the store holds no sweep yet; make one: swath -cn quickstart")
    frame = list_frame(sweeps)
    if words.sort:
        frame = sorted_by(frame, words.sort)
    frame = frame.iloc[: words.limit]
    _write(words, frame, list_rows(frame))


def show_ranking(reader: Reader, sweep: Sweep, words: argparse.Namespace) -> None:
    """Show one sweep, ranked."""
    for line in state_lines(sweep):
        _say(line)
    if words.where is not None:
        whole = len(sweep.runs)
        held = set(matching(frame_of(sweep.runs), words.where)["run_id"])
        sweep = replace(sweep, runs=tuple(run for run in sweep.runs if run.run_id in held))
        if not sweep.runs:
            none = f"--where {words.where!r} holds for none of {whole} runs"
            if words.plots or words.register or words.ui:
                raise SwathError(none)
            _write(words, ranking_frame([], [], [], ""), ranking_rows([], (), schema.VALIDATION_ACCURACY))
            _say(none)
            return
    runs = sweep.finished
    unranked = [run for run in sweep.runs if run.status != "FINISHED"]
    if not runs:
        _show_unranked(sweep, unranked, words)
        return
    metric = metric_of(runs, words.metric)
    answers = read_correct_masks(runs, metric)
    judged = rank_with_tests(runs, metric, answers)
    groups = rank_configurations_with_tests(runs, metric, answers) if have_several_seeds(runs) else []
    frame = ranking_frame(judged, groups, unranked, metric)
    chosen = frame if words.sort is None else sorted_by(frame, words.sort)
    rows = [judged[index] for index in chosen.index if index < len(judged)]
    chosen = chosen.iloc[: words.limit]
    if groups and _format(words) in ("table", "markdown"):
        _write_groups(words, chosen, rows, groups, sweep.swept, metric)
    else:
        _write(words, chosen, ranking_rows(rows[: words.limit], sweep.swept, metric))
    for line in [*ranking_notes(sweep, judged, groups, metric), *failure_lines(sweep, MOST_FAILURES)]:
        _say(line)
    _show_pages(sweep, [entry.run for entry in judged], words)
    if words.plots:
        from swath.plotting import draw_sweep

        for path in draw_sweep(reader, sweep, words.plots, "svg" if words.svg else "png", metric):
            _say(f"wrote {path}")
    if words.register:
        from swath.sweeps import register_best

        _say(register_best(sweep, judged[0], metric, words.register, words.uri))


def _show_unranked(sweep: Sweep, unranked: Sequence[StoredRun], words: argparse.Namespace) -> None:
    """Show a sweep, or what of it a condition holds for, of which nothing has finished.

    Raises:
      SwathError: it has ended, or something was asked for that takes a finished run.
    """
    if _format(words) in ("csv", "json"):
        _write(words, ranking_frame([], [], unranked, ""), ranking_rows([], (), schema.VALIDATION_ACCURACY))
    for line in failure_lines(sweep, MOST_FAILURES):
        _say(line)
    _show_pages(sweep, [], words)
    meant = words.where is not None or sweep.status == "RUNNING"
    if words.plots or words.register or not meant:
        raise SwathError(
            f"no run of sweep {sweep.name} {sweep.sweep_id} has finished, so there is nothing to rank"
        )


def _show_pages(sweep: Sweep, best_first: Sequence[StoredRun], words: argparse.Namespace) -> None:
    if words.ui:
        from swath.cli.compare_notes import page_lines

        for line in page_lines(sweep, best_first, words.uri, words.all_of is not None):
            _say(line)


def _write_groups(
    words: argparse.Namespace,
    frame: pd.DataFrame,
    rows: Sequence[RankedRun],
    groups: Sequence[RankedConfiguration],
    swept: Sequence[str],
    metric: str,
) -> None:
    """Write configurations instead of runs, in the order in which the first run of each stands in `rows`."""
    shown = list(groups)
    if words.sort:
        places = {entry.run.run_id: place for place, entry in enumerate(rows)}
        shown.sort(key=lambda group: min(places[run.run_id] for run in group.configuration.members))
    _write(words, frame, configuration_rows(shown[: words.limit], swept, metric))


def close_all_stale(reader: Reader, uri: str | None) -> None:
    """End the runs of a store that dead processes of this machine have left open; say which."""
    from swath.analysis import find_best
    from swath.tracking import close_stale, default_uri

    closed = close_stale(uri or default_uri(), reader.runs({schema.PID: None}, status="RUNNING"), find_best)
    for run in closed:
        print(one_line(f"{run.run_id}  closed as KILLED: {run.name}"))
    _say(f"{len(closed)} runs were left behind by a dead process")


def show_diff(reader: Reader, first: str, second: str) -> None:
    """Show what two runs differ in."""
    from swath.analysis import diff_lines, difference, run_with, stored_values

    runs = [run_with(reader, run_id) for run_id in (first, second)]
    for run in runs:
        if run.tags.get(schema.KIND) != "run":
            raise SwathError(f"--diff: run {run.run_id} is none that swath has trained")
    for line in diff_lines(difference(*(stored_values(reader, run) for run in runs))):
        print(one_line(line))


def sorted_by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Rows in the order of a column, downwards behind a minus sign.

    Raises:
      SwathError: there is no such column.
    """
    name = column.removeprefix("-")
    if name not in frame.columns:
        raise SwathError(f"--sort {column}: expected one of {', '.join(map(str, frame.columns))}")
    return frame.sort_values(name, ascending=not column.startswith("-"), kind="stable")


def _format(words: argparse.Namespace) -> str:
    if words.format is not None:
        return str(words.format)
    suffixes = {".json": "json", ".md": "markdown", ".csv": "csv"}
    if words.output is not None:
        return suffixes.get(words.output.suffix, "csv")
    return "table" if sys.stdout.isatty() else "csv"


def _write(words: argparse.Namespace, frame: pd.DataFrame, rows: TableData) -> None:
    """Write rows for people, or their frame for programs, where they are to go."""
    kind = _format(words)
    if kind == "table" and words.output is None:
        print_table(Console(width=None if sys.stdout.isatty() else NO_TERMINAL_WIDTH), rows)
        return
    if kind == "table":
        text = table_text(rows, NO_TERMINAL_WIDTH)
    elif kind == "markdown":
        text = as_markdown(rows)
    else:
        text = {"csv": as_csv, "json": as_json}[kind](frame)
    if words.output is None:
        sys.stdout.write(text)
    else:
        write_whole(words.output, text)


def _say(line: str) -> None:
    """Print a sentence on standard error, in a terminal with words kept whole."""
    text = one_line(line)
    if sys.stderr.isatty() and "://" not in text:
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr)
