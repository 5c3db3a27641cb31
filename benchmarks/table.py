"""Tables in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with the first column left-aligned and the others right-aligned."""
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Minimum and maximum."""
    return f"{min(values):.1f} to {max(values):.1f}"
