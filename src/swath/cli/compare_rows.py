"""Rows of `swath-compare`: what they are, their order, their columns, and the format they are written in."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from swath import analysis
from swath.cli.formats import ENDINGS, FOR_PEOPLE, FOR_PROGRAMS, as_csv, as_json, write_whole
from swath.cli.output import NO_TERMINAL_WIDTH, TERMINAL_ROWS, console_of, print_note
from swath.cli.ranking_tables import configuration_rows, ranking_rows
from swath.cli.tables import DIGITS, Column, TableData, print_table, table_text, text_of
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
    """

    frame: pd.DataFrame
    table: TableData
    shown: pd.DataFrame | None = None


def ranking(
    ranked: Sequence[analysis.RankedRun],
    groups: Sequence[analysis.RankedConfiguration],
    unranked: Sequence[StoredRun],
    swept: Sequence[str],
    metric: str,
    args: argparse.Namespace,
) -> Rows:
    """The rows of a ranking: runs or, where people read means over seeds or ask for them, configurations."""
    per = args.per or ("configuration" if groups and format_of(args) not in FOR_PROGRAMS else "run")
    digits = DIGITS if args.digits is None else args.digits
    if per == "configuration":
        entries = list(groups) or analysis.single_configurations(ranked)
        frame = sorted_by(analysis.configuration_frame(entries, swept, metric), args.sort)
        entries = [entries[place] for place in frame.index]
        return Rows(frame, configuration_rows(entries, swept, metric, digits))
    frame = sorted_by(analysis.ranking_frame(ranked, groups, unranked, metric), args.sort)
    order = [ranked[place] for place in frame.index if place < len(ranked)]
    return Rows(frame, ranking_rows(order, swept, metric, digits), frame[frame.index < len(ranked)])


def sorted_by(frame: pd.DataFrame, column: str | None) -> pd.DataFrame:
    """Sort rows by a column; a minus sign in front reverses the order.

    Metrics of which larger values are better are sorted in descending order, all other columns in ascending.

    Raises:
      UsageError: there is no such column.
    """
    if column is None:
        return frame
    name = column.removeprefix("-")
    _check_columns("--sort", [name], list(map(str, frame.columns)))
    best_first = schema.is_accuracy(name) or name in ("mean", "best_value")
    ascending = best_first if column.startswith("-") else not best_first
    return frame.sort_values(name, ascending=ascending, kind="stable")


def _check_columns(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            raise UsageError(f"{option} {name}: no such column; {hint}")


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
        _check_columns("--columns", args.columns, list(map(str, frame.columns)))
        frame = frame[args.columns]
    elif args.columns is not None:
        table = _chosen(shown, table, args.columns, args.digits)
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


def _chosen(frame: pd.DataFrame, table: TableData, names: Sequence[str], digits: int | None) -> TableData:
    """A table with some columns, in the order of `names`: its own, or those of the frame of the same rows."""
    own = [name for column in table.layout for name in (column.heading, column.name) if name]
    _check_columns("--columns", names, list(dict.fromkeys([*own, *map(str, frame.columns)])))
    columns, cells = [], []
    for name in names:
        column, texts = table.column(name) or (
            Column(name),
            [cell_text(name, value, DIGITS if digits is None else digits) for value in frame[name]],
        )
        columns.append(column)
        cells.append(texts)
    return replace(table, columns=columns, rows=[list(row) for row in zip(*cells, strict=True)])


def cell_text(name: str, value: object, digits: int = DIGITS) -> str:
    """A value of a column in a table; the value of a field is not rounded."""
    return str(value) if name in FIELDS else text_of(value, digits)
