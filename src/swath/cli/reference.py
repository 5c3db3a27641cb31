"""The pages `docs/commands.md` and `docs/python.md`, written from the help texts and docstrings.

`python -m swath.cli.reference commands > docs/commands.md` writes one of them.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping

import swath
from swath.cli.compare_arguments import parser as compare_parser
from swath.cli.main import help_text
from swath.cli.reproduce import parser as reproduce_parser
from swath.cli.stop import parser as stop_parser
from swath.cli.watch import parser as watch_parser
from swath.cli.worker import parser as worker_parser

HELP_COLUMNS = "100"
"""Width of help texts, whatever the terminal."""


def commands_document() -> str:
    """The help of the commands as Markdown."""
    os.environ["COLUMNS"] = HELP_COLUMNS
    texts = {
        "swath": help_text(),
        "swath-compare": compare_parser().format_help(),
        "swath-reproduce": reproduce_parser().format_help(),
        "swath-watch": watch_parser().format_help(),
        "swath-stop": stop_parser().format_help(),
        "swath-worker": worker_parser().format_help(),
    }
    parts = ["# Commands\n\nWhat `--help` prints; `python -m swath.cli.reference commands` writes this page."]
    parts += [f"## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in texts.items()]
    return "\n\n".join(parts) + "\n"


def python_document() -> str:
    """The names of the module `swath` as Markdown, with their docstrings."""
    parts = [
        f"# Python\n\n{inspect.getdoc(swath)}\n\n`python -m swath.cli.reference python` writes this page."
    ]
    for name in sorted(entry for entry in swath.__all__ if not entry.startswith("_")):
        value = getattr(swath, name)
        parts.append(_section(f"{swath.__name__}.{name}", value, 2))
        if inspect.isclass(value):
            fields = value.__annotations__
            members = [entry for entry in vars(value) if not entry.startswith("_") and entry not in fields]
            parts += [_section(f"{name}.{entry}", getattr(value, entry), 3) for entry in members]
    return "\n\n".join(parts) + "\n"


def _section(name: str, value: object, level: int) -> str:
    signature = "" if isinstance(value, property) or inspect.isclass(value) else _signature(value)
    return f"{'#' * level} {name}\n\n```text\n{name}{signature}\n\n{inspect.getdoc(value) or ''}\n```"


def _signature(value: object) -> str:
    assert callable(value)
    text = str(inspect.signature(value))
    return re.sub(r"\b(?:swath|pandas|matplotlib|pathlib|collections)(?:\.\w+)*\.(?=\w)", "", text).replace(
        "'", ""
    )


DOCUMENTS: Mapping[str, Callable[[], str]] = {"commands": commands_document, "python": python_document}

if __name__ == "__main__":
    print(DOCUMENTS[sys.argv[1]](), end="")
