"""Terminals: a stream that claims to be one, and a real one in which a command runs."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""A command to a terminal, such as a colour or a movement of the cursor."""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


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


def run_in_terminal(
    command: Path, folder: Path, columns: int, *arguments: str, **environment: str
) -> tuple[int, str]:
    """Run a command in a terminal of this width; returns its exit status and what it printed.

    Args:
      command: the command.
      folder: working directory.
      columns: width of the terminal, in characters.
      arguments: command-line arguments.
      environment: additional environment variables.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    variables = {**os.environ, "TERM": "xterm", **environment}
    variables = {name: value for name, value in variables.items() if name not in ("COLUMNS", "LINES")}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen([str(command), *arguments], cwd=folder, env=variables, **streams)
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):  # the last process has closed the terminal
        while read := os.read(ours, 65_536):
            printed += read
    os.close(ours)
    text = printed.decode()
    print(text)  # pytest shows it if the test fails
    return process.wait(60), text


def segments(text: str) -> list[str]:
    """The pieces of text that were printed to a terminal without a movement of the cursor to another line."""
    return [part.rstrip() for part in re.split(r"[\r\n]+", ESCAPE.sub("\r", COLOUR.sub("", text)))]
