"""The documentation of the store's format: `python -m swath.tracking.format_document > docs/store.md`."""

from typing import get_args

from swath.tracking import schema  # noqa: F401  declares the names
from swath.tracking.format import Kind, entries

HEAD = """\
# Store format

Everything that swath writes into an MLflow store. This page is generated from `src/swath/tracking/schema.py`:
`python -m swath.tracking.format_document > docs/store.md`.
"""


def document() -> str:
    """The documentation as Markdown: the text of `docs/store.md`."""
    lines = [HEAD]
    for kind in get_args(Kind):
        plural = "es" if kind.endswith("x") else "s"
        lines += [
            f"## {kind.capitalize()}{plural}",
            "",
            "| name | on | since | meaning |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{e.name}` | {e.where} | {e.since} | {e.meaning} |" for e in entries(kind)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(document(), end="")
