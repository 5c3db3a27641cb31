"""Writes tables as CSV, JSON, Markdown, LaTeX or HTML."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.analysis import one_line
from swath.cli.tables import TableData
from swath.errors import SwathError
from swath.system import atomic_write

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".txt": "table",
}
"""Format of a file, by its ending."""

FORMATS = ("table", "csv", "json", "markdown", "latex", "html")

FOR_PROGRAMS = ("csv", "json")
"""Formats with every column, and with numbers as they are stored."""


def as_csv(frame: "pd.DataFrame") -> str:
    """Comma-separated values with a header; missing values are empty."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def as_json(frame: "pd.DataFrame") -> str:
    """A list of objects; missing values and values that are not finite are null."""
    records = [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    import pandas as pd

    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(found: TableData, caption: str) -> str:
    """A Markdown table under a line with its caption; the first column is left-aligned."""
    line = "|---|" + "---:|" * (len(found.columns) - 1)
    rows = [_cells([column.heading for column in found.layout]), line, *(_cells(row) for row in found.rows)]
    return "\n".join([one_line(caption), "", *rows]) + "\n"


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(text).replace("|", "\\|") for text in texts) + " |"


def as_latex(found: TableData, caption: str) -> str:
    """A LaTeX table with the rules of the package booktabs; the best row is bold."""
    kinds = "".join("l" if column.justify == "left" else "r" for column in found.layout)
    rows = [
        _latex_row(row, r"\bfseries " if place in found.bold else "") for place, row in enumerate(found.rows)
    ]
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(caption)}}}",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
        _latex_row([column.heading for column in found.layout]),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(texts: Sequence[str], style: str = "") -> str:
    return " & ".join(style + _latex(text) for text in texts) + r" \\"


IN_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"${character}$" for character in "<>|"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"},
    **{'"': "''", "±": r"$\pm$", "--": "-{}-"},
}
"""Characters that LaTeX takes for commands or, in its usual font encoding, for others; their spelling."""


def _latex(text: str) -> str:
    """A text that LaTeX sets as it is; a number such as 1e-05 as a power of ten."""
    if power := re.fullmatch(r"(-?[\d.]+)e([+-]\d+)", text):
        factor = "" if power[1] == "1" else rf"{power[1]} \times "
        return f"${factor}10^{{{int(power[2])}}}$"
    pattern = "|".join(re.escape(found) for found in IN_LATEX)
    return re.sub(pattern, lambda found: IN_LATEX[found[0]], one_line(text))


def as_html(found: TableData, caption: str) -> str:
    """An HTML table with a caption."""
    frame = _frame(found)
    frame.columns = [one_line(column.heading) for column in found.layout]
    table = frame.to_html(index=False, border=0, justify="right")
    return table.replace("<thead>", f"<caption>{escape(caption)}</caption>\n  <thead>", 1) + "\n"


def _frame(found: TableData) -> "pd.DataFrame":
    """The cells of a table; columns are numbered, because headings may be equal."""
    import pandas as pd

    rows = [[one_line(text) for text in row] for row in found.rows]
    return pd.DataFrame(rows, columns=range(len(found.columns)))


FOR_PEOPLE: Mapping[str, Callable[[TableData, str], str]] = {
    "markdown": as_markdown,
    "latex": as_latex,
    "html": as_html,
}
"""Formats that show a table to people, with a caption."""


def write_whole(path: Path, text: str, option: str = "--output") -> None:
    """Write a file atomically; write directly to anything that is not a file, such as a pipe.

    Args:
      path: the file.
      text: its content.
      option: the option that named the file, for messages.

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
        raise SwathError(f"{option} {path} cannot be written: {error.strerror}") from error
