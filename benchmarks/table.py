"""Tables in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """The least and the largest."""
    return f"{min(values):.1f} to {max(values):.1f}"
