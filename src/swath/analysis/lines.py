"""Lines for people: their length, and what they say about names that do not exist."""

import re
import textwrap
from collections.abc import Sequence

from swath.config import nearest_name

LINE_LENGTH = 100
"""Longest line that people read, in characters."""

COMMAND = len("swath-compare: ")
"""Characters that stand before an error."""


def one_line(text: str) -> str:
    """A text without line breaks and control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def short_lines(text: str) -> list[str]:
    """A sentence in lines of at most `LINE_LENGTH` characters."""
    return textwrap.wrap(
        text, LINE_LENGTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def unknown_name(complaint: str, name: str, known: Sequence[str]) -> str:
    """A line about a name that does not exist, with the nearest one, or with those that may be typed.

    Args:
      complaint: the beginning of the line.
      name: the name as typed.
      known: the names that exist, at least one.
    """
    near = nearest_name(name, known)
    if near is not None:
        return f"{complaint}; did you mean {near}?"
    return complaint + fitting_names("; expected one of ", known, LINE_LENGTH - COMMAND - len(complaint))


def fitting_names(start: str, names: Sequence[str], room: int) -> str:
    """A list of names of at most `room` characters, with an ellipsis instead of those that do not fit.

    Empty if not even one name fits.

    Args:
      start: what stands before the first name.
      names: the names, most useful first.
      room: characters.
    """
    whole = start + ", ".join(names)
    if len(whole) <= room:
        return whole
    shown: list[str] = []
    for name in names:
        if len(start + ", ".join([*shown, name, "..."])) > room:
            break
        shown.append(name)
    return start + ", ".join([*shown, "..."]) if shown else ""


def values_alone(name: str) -> str:
    """A configuration without the names of its fields: `100 1e-06` of `batch_size=100 ...`."""
    return re.sub(r"(?<!\S)[\w.]+=", "", name)
