"""Tables for people and for programs: as wide as the terminal allows, or as CSV, JSON, Markdown."""

import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from swath.errors import SwathError
from swath.system import atomic_write

RUN = "run"
"""Heading of a column of run ids, of which the first digits will do."""


SHORT_ID = 8
"""Digits of a run id."""


TO_THE_LEFT = (RUN, "sweep", "best")


FOLDED = ("best",)
"""Headings of columns whose texts go on in the next line where the terminal ends."""


BEFORE_ACCURACY = r" (?=accuracy$)"


BREAKS = r"(?<=[/_])(?=\w)| (?=\S+$)"
"""Where headings go on in the next line: where there is room, and where there is little."""


@dataclass(frozen=True)
class TableData:
    """A table before it is laid out.

    Attributes:
      headings: of the columns.
      rows: a text per column.
      bold: indices of rows that stand out.
      expendable: headings of the columns that a narrow terminal can do without, the first to go first.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: Sequence[int] = ()
    optional: Sequence[str] = ()

    def without(self, heading: str) -> "TableData":
        """The same without a column."""
        kept = [place for place, name in enumerate(self.headings) if name != heading]
        return replace(
            self,
            headings=[self.headings[place] for place in kept],
            rows=[[row[place] for place in kept] for row in self.rows],
            optional=[name for name in self.optional if name != heading],
        )


def print_table(console: Console, found: TableData) -> None:
    """Print a table whole where it fits.

    Where it does not: with the first digits of run ids, then with headings in several lines, then
    without one expendable column after the other. What is still too wide is wrapped by the terminal.
    """
    table, needed = Table(), 0
    for table in _narrower_and_narrower(found):
        needed = console.measure(table, options=console.options.update(width=10_000)).minimum
        if needed <= console.width:
            console.print(table)
            return
    wide = Console(file=console.file, width=needed, color_system=None)
    wide.print(table)


def table_text(found: TableData, width: int) -> str:
    """A table as text, in lines of up to `width` characters."""
    text = io.StringIO()
    print_table(Console(file=text, width=width), found)
    return text.getvalue()


def one_line(text: str) -> str:
    """A text without line breaks and control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def _narrower_and_narrower(found: TableData) -> Iterator[Table]:
    yield _table(found, broken=False, id_digits=None)
    yield _table(found, broken=False, id_digits=SHORT_ID)
    yield _table(found, broken=True, id_digits=SHORT_ID)
    for heading in found.optional:
        found = found.without(heading)
        yield _table(found, broken=True, id_digits=SHORT_ID)


def _table(found: TableData, broken: bool, id_digits: int | None) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0) if broken else (0, 1))
    for place, heading in enumerate(found.headings):
        lines = re.sub(BREAKS if broken else BEFORE_ACCURACY, "\n", heading)
        texts = [lines, *(_shown(heading, row[place], id_digits) for row in found.rows)]
        parts = [part for text in texts for part in (text.split() if heading in FOLDED else text.split("\n"))]
        table.add_column(
            Text(lines),
            justify="left" if heading in TO_THE_LEFT else "right",
            min_width=max(map(cell_len, parts), default=0),
        )
    styles: Mapping[int, str] = dict.fromkeys(found.bold, "bold")
    for index, row in enumerate(found.rows):
        shown = [_shown(heading, text, id_digits) for heading, text in zip(found.headings, row, strict=True)]
        cells = [Text(text) for text in shown]  # brackets are no markup
        table.add_row(*cells, style=styles.get(index))
    return table


def _shown(heading: str, text: str, id_digits: int | None) -> str:
    return one_line(text)[: id_digits if heading == RUN else None]


Format = Literal["table", "csv", "json", "markdown"]


FORMATS: tuple[str, ...] = get_args(Format)


def as_csv(frame: pd.DataFrame) -> str:
    """Comma-separated values, a head line first; nothing where a value is missing."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def as_json(frame: pd.DataFrame) -> str:
    """A list of objects; null where a value is missing or not finite."""
    records = [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(found: TableData) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    line = "|---|" + "---:|" * (len(found.headings) - 1)
    lines = [_cells(found.headings), line, *(_cells(row) for row in found.rows)]
    return "\n".join(lines) + "\n"


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(text).replace("|", "\\|") for text in texts) + " |"


def write_whole(path: Path, text: str) -> None:
    """Write a file completely or not at all; special files, such as a pipe, are written to directly.

    Raises:
      SwathError: the file cannot be written.
    """
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
        else:
            atomic_write(target, text)
    except OSError as error:
        raise SwathError(f"--output {path} cannot be written: {error.strerror}") from error
