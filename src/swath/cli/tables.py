"""Lays out tables for terminals of any width."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from swath.analysis import DIGITS, SHORT_ID, number_text, one_line

BREAKS = r"(?<=[/_])(?=\w)| (?=\S+$)"
"""Places at which a heading may continue on the next line in a narrow terminal."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
      heading: text above the column; may contain line breaks.
      key: name of the values that it shows; the heading by default.
      justify: alignment of headings and cells.
      optional: a narrow terminal omits columns with the smallest number first; None is never omitted.
      is_id: whether it contains run ids, which a narrow terminal shortens.
      shorter: makes a cell shorter in a narrow terminal; None if cells are never shortened.
    """

    heading: str
    key: str = ""
    justify: Literal["left", "right"] = "right"
    optional: int | None = None
    is_id: bool = False
    shorter: Callable[[str], str] | None = None

    @property
    def name(self) -> str:
        """The key, or the heading if there is none."""
        return self.key or self.heading


RANK = Column("rank")


def time_column(optional: int) -> Column:
    """The seconds that training and evaluating a run took."""
    return Column("time (s)", "seconds", optional=optional)


RUN = Column("run", "run_id", "left", is_id=True)


@dataclass(frozen=True)
class TableData:
    """A table before layout.

    Attributes:
      columns: the columns; a text stands for a plain column with this heading.
      rows: one text per column.
      bold: indices of highlighted rows.
    """

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[str]]
    bold: Sequence[int] = field(default=())

    @property
    def layout(self) -> list[Column]:
        """The columns, without abbreviations."""
        return [entry if isinstance(entry, Column) else Column(entry) for entry in self.columns]

    def without(self, columns: Sequence[Column]) -> "TableData":
        """This table without some columns."""
        kept = [place for place, column in enumerate(self.layout) if column not in columns]
        rows = [[row[place] for place in kept] for row in self.rows]
        return replace(self, columns=[self.columns[place] for place in kept], rows=rows)

    def column(self, name: str) -> tuple[Column, list[str]] | None:
        """A column by its name or heading, and its cells; None if there is none."""
        for place, column in enumerate(self.layout):
            if name in (column.name, column.heading):
                return column, [row[place] for row in self.rows]
        return None

    def without_empty(self, keep: str) -> "TableData":
        """This table without optional columns that have no content, except one that is kept."""
        optional = {
            place: column
            for place, column in enumerate(self.layout)
            if column.optional is not None and column.name != keep
        }
        return self.without(
            [column for place, column in optional.items() if not any(row[place] for row in self.rows)]
        )


def text_of(value: object, digits: int = DIGITS) -> str:
    """A value in a table for people; empty if it is missing."""
    if isinstance(value, float):
        return number_text(value, digits)
    return "" if value is None else str(value)


def print_table(console: Console, found: TableData) -> None:
    """Print a table as completely as the width permits, without cutting a number.

    In this order: as it is; with short run ids and short cells; with headings in several lines; without one
    optional column after the other. The terminal wraps what is still too wide. Elsewhere no line ends with
    blanks.
    """
    width, table, needed = console.width, Table(), 0
    for table in _narrower_and_narrower(found):
        needed = console.measure(table, options=console.options.update(width=10_000)).minimum
        if needed <= width:
            break
    if console.is_terminal and needed <= width:
        console.print(table)
        return
    text = io.StringIO()
    Console(file=text, width=max(width, needed), color_system=None, force_terminal=False).print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def table_text(found: TableData, width: int) -> str:
    """A table as text, in lines of up to `width` characters."""
    text = io.StringIO()
    print_table(Console(file=text, width=width, force_terminal=False), found)
    return text.getvalue()


def _narrower_and_narrower(found: TableData) -> Iterator[Table]:
    yield _table(found, broken=False, short=False)
    yield _table(found, broken=False, short=True)
    yield _table(found, broken=True, short=True)
    optional = [column for column in found.layout if column.optional is not None]
    for column in sorted(optional, key=lambda column: column.optional or 0):
        found = found.without([column])
        yield _table(found, broken=True, short=True)


def _table(found: TableData, broken: bool, short: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0) if broken else (0, 1))
    columns = found.layout
    rows = [
        [_cell(column, one_line(text), short) for column, text in zip(columns, row, strict=True)]
        for row in found.rows
    ]
    for place, column in enumerate(columns):
        heading = re.sub(BREAKS, "\n", column.heading) if broken else column.heading
        cells = [row[place] for row in rows]
        table.add_column(
            Text(heading),
            justify=column.justify,
            min_width=max(map(cell_len, [*heading.split("\n"), *cells]), default=0),
        )
    for index, row in enumerate(rows):
        cells_of_row = [Text(text) for text in row]  # brackets are not markup
        table.add_row(*cells_of_row, style="bold" if index in found.bold else None)
    return table


def _cell(column: Column, text: str, short: bool) -> str:
    if short and column.is_id:
        return text[:SHORT_ID]
    return column.shorter(text) if short and column.shorter is not None else text


def counted(number: int, noun: str) -> str:
    """A number and its noun: `1 run`, `2 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
