"""Rows written as a table, CSV, JSON or Markdown."""

import contextlib
import io
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from rich.console import Console
from rich.table import Table

from swath.errors import SwathError

Format = Literal["table", "csv", "json", "markdown"]
FORMATS: tuple[str, ...] = get_args(Format)

FULL_ID = 32
SHORT_ID = 8
"""Hexadecimal digits of a run id."""


def as_csv(frame: pd.DataFrame) -> str:
    """Comma-separated values, a head line first; nothing where a value is missing."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def as_json(frame: pd.DataFrame) -> str:
    """A list of objects; null where a value is missing or not finite."""
    records = [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [_cells(headings), "|---|" + "---:|" * (len(headings) - 1), *(_cells(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(text).replace("|", "\\|") for text in texts) + " |"


def one_line(text: str) -> str:
    """A text without line breaks and control characters."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)


def print_table(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], bold: Mapping[int, bool] = {}
) -> None:
    """Print a table; a last column of run ids is cut to their first digits where the whole is too wide.

    Args:
      console: where to print.
      headings: of the columns.
      rows: texts.
      bold: rows that stand out, by index.
    """
    table = _table(headings, rows, bold, FULL_ID)
    fits = console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width
    console.print(table if fits else _table(headings, rows, bold, SHORT_ID))


def table_text(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """A table as text."""
    text = io.StringIO()
    print_table(Console(file=text, width=width), headings, rows)
    return text.getvalue()


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
      SwathError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise SwathError(f"--output {path} cannot be written: {error.strerror}") from error


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], bold: Mapping[int, bool], id_digits: int
) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(
            heading.replace(" accuracy", "\naccuracy"),
            justify="left" if heading in ("run", "sweep", "best") else "right",
            no_wrap=True,
        )
    for index, row in enumerate(rows):
        cells = [one_line(text) for text in row]
        if headings[-1] == "run":
            cells[-1] = cells[-1][:id_digits]
        table.add_row(*cells, style="bold" if bold.get(index) else None)
    return table
