"""Rows of `swath-compare`: what they are, their order, their columns, and the format they are written in."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from swath import analysis
from swath.analysis import DIGITS
from swath.cli.formats import ENDINGS, FOR_PEOPLE, FOR_PROGRAMS, as_csv, as_json, write_whole
from swath.cli.output import NO_TERMINAL_WIDTH, TERMINAL_ROWS, console_of, print_note
from swath.cli.ranking_tables import configuration_rows, ranking_rows
from swath.cli.tables import Column, TableData, print_table, table_text, text_of
from swath.config import FIELDS
from swath.errors import UsageError
from swath.tracking import StoredRun, schema


@dataclass(frozen=True)
class Rows:
    """The same rows for programs and for people.

    Attributes:
      frame: a row each, with every column.
      table: the rows that people see; fewer where a row has no rank.
      shown: the rows of `frame` that are in `table`; None for all.
      per_run: columns that rows would have if each were a run.
    """

    frame: pd.DataFrame
    table: TableData
    shown: pd.DataFrame | None = None
    per_run: Sequence[str] = ()


def ranking(
    ranked: Sequence[analysis.RankedRun],
    groups: Sequence[analysis.RankedConfiguration],
    unranked: Sequence[StoredRun],
    swept: Sequence[str],
    metric: str,
    args: argparse.Namespace,
    store: str = "",
) -> Rows:
    """The rows of a ranking: runs or, where people read means over seeds or ask for them, configurations.

    Args:
      ranked: the finished runs, best first.
      groups: their configurations, best first; empty if none has several seeds.
      unranked: the other runs.
      swept: the fields that vary.
      metric: the metric that ranks.
      args: the arguments of the command.
      store: address of the store without passwords; a column of the rows for programs, if it is not empty.
    """
    digits = DIGITS if args.digits is None else args.digits
    if _per(args, bool(groups)) == "configuration":
        entries = list(groups) or analysis.single_configurations(ranked)
        also = _metrics_asked_for(args, analysis.metric_names(entry.run for entry in ranked))
        frame = analysis.configuration_frame(entries, swept, metric, also, store)
        per_run = list(map(str, analysis.frame_of([entry.run for entry in ranked]).columns))
        frame = sorted_by(frame, args.sort, per_run)
        entries = [entries[place] for place in frame.index]
        table = configuration_rows(entries, swept, metric, digits, also if args.columns else ())
        return Rows(frame, table, per_run=per_run)
    frame = analysis.ranking_frame(ranked, groups, unranked, metric, store)
    frame = sorted_by(frame, args.sort)
    order = [ranked[place] for place in frame.index if place < len(ranked)]
    return Rows(frame, ranking_rows(order, swept, metric, digits), frame[frame.index < len(ranked)])


def _per(args: argparse.Namespace, repeated: bool) -> str:
    """What a row is: a run or a configuration."""
    if args.per is not None:
        return str(args.per)
    return "configuration" if repeated and format_of(args) not in FOR_PROGRAMS else "run"


def _metrics_asked_for(args: argparse.Namespace, metrics: Sequence[str]) -> list[str]:
    """The metrics whose means are columns because `--columns` or `--sort` names them."""
    named = [*(args.columns or []), (args.sort or "").removeprefix("-")]
    return [name for name in metrics if name in named or f"{name} sd" in named]


def sorted_by(frame: pd.DataFrame, column: str | None, per_run: Sequence[str] = ()) -> pd.DataFrame:
    """Sort rows by a column; a minus sign in front reverses the order.

    Metrics of which larger values are better are sorted in descending order, all other columns in ascending.

    Args:
      frame: the rows.
      column: the column; None for the order that there is.
      per_run: columns that rows would have if each were a run.

    Raises:
      UsageError: there is no such column.
    """
    if column is None:
        return frame
    name = column.removeprefix("-")
    _check_columns("--sort", [name], list(map(str, frame.columns)), per_run)
    best_first = schema.is_accuracy(name) or name in ("mean", "best_value")
    ascending = best_first if column.startswith("-") else not best_first
    return frame.sort_values(name, ascending=ascending, kind="stable")


def _check_columns(
    option: str, names: Sequence[str], known: Sequence[str], per_run: Sequence[str] = ()
) -> None:
    for name in names:
        if name in known:
            continue
        complaint = f"{option} {name}: no such column"
        if name in per_run:
            raise UsageError(f"{option} {name}: a row is a configuration; for a row for each run: --per run")
        raise UsageError(analysis.unknown_name(complaint, name, list(dict.fromkeys([*known, *per_run]))))


def format_of(args: argparse.Namespace) -> str:
    """The format that was asked for, by option or by the ending of the file; else a table or CSV."""
    if args.format is not None:
        return str(args.format)
    if args.output is not None:
        return ENDINGS[args.output.suffix.lower()]
    return "table" if sys.stdout.isatty() else "csv"


def limit_of(args: argparse.Namespace) -> int | None:
    """Most rows: a terminal shows a screenful unless the user says how many."""
    shown = args.output is None and format_of(args) == "table" and sys.stdout.isatty()
    return TERMINAL_ROWS if args.limit is None and shown else args.limit


def write(args: argparse.Namespace, rows: Rows, caption: str) -> None:
    """Write rows to standard output or a file.

    Args:
      args: the arguments of the command.
      rows: the rows.
      caption: what they are, for people.
    """
    kind, limit = format_of(args), limit_of(args)
    frame, table = rows.frame.iloc[:limit], replace(rows.table, rows=rows.table.rows[:limit])
    shown = (rows.frame if rows.shown is None else rows.shown).iloc[:limit]
    if args.columns is not None and kind in FOR_PROGRAMS:
        _check_columns("--columns", args.columns, list(map(str, frame.columns)), rows.per_run)
        frame = frame[args.columns]
    elif args.columns is not None:
        table = _chosen(shown, table, args.columns, args.digits, rows.per_run)
    if args.digits is not None:
        frame = _rounded(frame, args.digits)
    if kind == "table" and args.output is None:
        print_table(console_of(sys.stdout), table)
        if args.limit is None and limit is not None and len(rows.table.rows) > limit:
            print_note(f"... {len(rows.table.rows) - limit} more: add --limit {len(rows.table.rows)}")
        return
    if kind == "table":
        text = table_text(table, NO_TERMINAL_WIDTH)
    elif kind in FOR_PEOPLE:
        text = FOR_PEOPLE[kind](table, caption)
    else:
        text = {"csv": as_csv, "json": as_json}[kind](frame)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_whole(args.output, text)
        print_note(f"wrote {args.output}")


def _chosen(
    frame: pd.DataFrame, table: TableData, names: Sequence[str], digits: int | None, per_run: Sequence[str]
) -> TableData:
    """A table with some columns, in the order of `names`: its own, or those of the frame of the same rows."""
    own = [name for column in table.layout for name in (column.heading, column.name) if name]
    _check_columns("--columns", names, list(dict.fromkeys([*own, *map(str, frame.columns)])), per_run)
    columns, cells = [], []
    for name in names:
        column, texts = table.column(name) or (
            Column(name),
            [cell_text(name, value, DIGITS if digits is None else digits) for value in frame[name]],
        )
        columns.append(column)
        cells.append(texts)
    return replace(table, columns=columns, rows=[list(row) for row in zip(*cells, strict=True)])


NOT_ROUNDED = ("p_vs_best", "configuration_p_vs_best", "duration_s")
"""Columns of numbers that are neither fields nor metrics."""


def _rounded(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    """Rows for programs with rounded metrics."""
    decimals = {
        name: digits
        for name in frame.columns
        if name not in FIELDS and name not in NOT_ROUNDED and pd.api.types.is_float_dtype(frame[name])
    }
    return frame.round(decimals)


def cell_text(name: str, value: object, digits: int = DIGITS) -> str:
    """A value of a column in a table; the value of a field is not rounded."""
    return str(value) if name in FIELDS else text_of(value, digits)
