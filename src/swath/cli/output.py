"""Where a command prints: data on standard output, words on standard error."""

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from swath.analysis import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from swath.cli.tables import TableData

TERMINAL_ROWS = 20
"""Rows of a ranking in a terminal."""

NO_TERMINAL_WIDTH = 300
"""Columns of output that is not printed to a terminal, so that no line is truncated."""


def console_of(stream: IO[str]) -> "Console":
    """A console on a stream. $COLUMNS sets its width; else a pipe or a file gets wide lines.

    Whether it is a terminal depends on the stream alone: $FORCE_COLOR must not put animations into a file.
    """
    from rich.console import Console  # most commands print plain lines only

    if stream.isatty():
        return Console(file=stream)
    width = None if "COLUMNS" in os.environ else NO_TERMINAL_WIDTH
    return Console(file=stream, width=width, force_terminal=False)


def is_animated(stream: IO[str]) -> bool:
    """Whether progress bars can be drawn on a stream."""
    return stream.isatty() and not console_of(stream).is_dumb_terminal


def print_note(line: str) -> None:
    """Print a line to standard error; a terminal wraps it between words, except an address."""
    text = one_line(line)
    if sys.stderr.isatty() and "://" not in text:
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Output:
    """What a command prints.

    Attributes:
      as_json: whether standard output gets JSON only.
      quiet: whether words are left out.
    """

    as_json: bool = False
    quiet: bool = False

    @property
    def rows(self) -> int | None:
        """Most rows of a ranking; None for all."""
        return TERMINAL_ROWS if sys.stdout.isatty() else None

    def table(self, data: "TableData") -> None:
        """Print a table, unless JSON is printed."""
        from swath.cli.tables import print_table

        if not self.as_json:
            print_table(console_of(sys.stdout), data)
            sys.stdout.flush()

    def show(self, line: str) -> None:
        """Print a line of data, unless JSON is printed."""
        if not self.as_json:
            print(one_line(line), flush=True)

    def say(self, line: str) -> None:
        """Print words, unless the command is quiet."""
        if not self.quiet:
            print_note(line)
