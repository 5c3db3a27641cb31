"""Streams that claim to be a terminal."""

import io
import re

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""A command to a terminal, such as a colour or a movement of the cursor."""


class Terminal(io.StringIO):
    """A terminal that keeps what is printed to it. $COLUMNS is its width."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Whether this is a terminal: yes."""
        return True

    @property
    def lines(self) -> list[str]:
        """The printed lines, without escape sequences and spaces at their ends."""
        return [line.rstrip() for line in ESCAPE.sub("", self.getvalue()).splitlines()]
