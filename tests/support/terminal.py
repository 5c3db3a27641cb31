"""Streams that claim to be a terminal."""

import io
import re

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""A command to a terminal, such as a colour or a movement of the cursor."""


class Terminal(io.StringIO):
    """A terminal that keeps what is printed to it. $COLUMNS is its width."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self.shown_encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the terminal can show."""
        return self.shown_encoding

    def isatty(self) -> bool:
        """Whether this is a terminal: yes."""
        return True

    @property
    def lines(self) -> list[str]:
        """The printed lines, without escape sequences, overwritten text and spaces at their ends."""
        lines = ESCAPE.sub("", self.getvalue()).removesuffix("\n").split("\n")
        return [line.removesuffix("\r").rsplit("\r", 1)[-1].rstrip() for line in lines]
