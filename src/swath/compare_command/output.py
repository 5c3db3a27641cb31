"""Rows written as CSV, JSON or Markdown."""

import contextlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from swath.errors import SwathError
from swath.tables import Rows, one_line

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


def as_markdown(found: Rows) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    line = "|---|" + "---:|" * (len(found.headings) - 1)
    lines = [_cells(found.headings), line, *(_cells(row) for row in found.rows)]
    return "\n".join(lines) + "\n"


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(text).replace("|", "\\|") for text in texts) + " |"


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all; what is no file, such as a pipe, is written to as it is.

    Raises:
      SwathError: it cannot be written.
    """
    target = path.resolve()
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise SwathError(f"--output {path} cannot be written: {error.strerror}") from error
