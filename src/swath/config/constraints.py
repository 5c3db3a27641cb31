"""Constraints of fields as data: what a value may be, and the phrase that an error message uses for it."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from swath.system import as_float32


class Constraint(Protocol):
    """What a value of the right type must satisfy."""

    def allows(self, value: Any) -> bool:
        """Whether `value` is allowed."""

    def canonical(self, value: Any) -> Any:
        """The canonical form of `value`."""

    def expected(self, kind: type, unit: str) -> str:
        """The allowed values as a phrase: "a whole number of steps from 1 up"."""

    def brief(self) -> str:
        """The allowed values in a few characters: "1 or more"; empty where there is nothing to add."""


@dataclass(frozen=True)
class Range:
    """An interval of numbers.

    Attributes:
      least: smallest value; None without one.
      above: value that must be exceeded; None without one.
      most: largest value; None without one.
      below: value that must not be reached; None without one.
      at_most: an upper bound that depends on other fields, as a phrase; checked by the configuration.
      float32: whether the bounds hold for the nearest float32, which must be finite.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    at_most: str = ""
    float32: bool = False

    def allows(self, value: Any) -> bool:
        """Whether `value` lies in the interval; nan never does."""
        if value is None:
            return False
        number = as_float32(value) if self.float32 else value
        return (
            (not self.float32 or math.isfinite(number))
            and (self.least is None or (value >= self.least and number >= self.least))
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (self.below is None or number < self.below)
        )

    def canonical(self, value: Any) -> Any:
        """The value itself."""
        return value

    def expected(self, kind: type, unit: str) -> str:
        """For example "a whole number of steps from 1 up"."""
        words = ["a whole number" if kind is int else "a number"]
        words += [f"of {unit}"] if unit else []
        end = self.at_most or ("" if self.most is None else f"{self.most}")
        if self.above is not None:
            words.append(f"above {self.above:g}")
        elif self.least is not None:
            upper = f"to {end}" if end else "up" if self.below is None else f"to below {self.below:g}"
            words.append(f"from {self.least} {upper}")
        words += ["that float32 can hold"] if self.float32 else []
        return " ".join(words)

    def brief(self) -> str:
        """For example "1 or more"."""
        if self.above is not None:
            return f"above {self.above:g}"
        if self.below is not None:
            return f"{self.least} to below {self.below:g}"
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


@dataclass(frozen=True)
class Choice:
    """One of several words.

    Attributes:
      words: the allowed words.
      aliases: other spellings, in lower case, and the word that each stands for; not case-sensitive.
      refused: words that other programs have, and why each is none here.
    """

    words: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def allows(self, value: Any) -> bool:
        """Whether `value` is one of the words or aliases."""
        return self.canonical(value) in self.words

    def canonical(self, value: Any) -> Any:
        """The word that `value` stands for."""
        if not self.aliases or not isinstance(value, str):
            return value
        return self.aliases.get(value.lower(), value.lower())

    def expected(self, kind: type, unit: str) -> str:
        """For example "one of best, all, none"."""
        return f"one of {', '.join((*self.words, *self.aliases))}"

    def brief(self) -> str:
        """For example "best, all, none"."""
        return ", ".join((*self.words, *self.aliases))


@dataclass(frozen=True)
class Text:
    """A non-empty text.

    Attributes:
      what: the text as a phrase.
      schemes: address schemes, one of which it must begin with; () for any text.
    """

    what: str
    schemes: tuple[str, ...] = ()

    def allows(self, value: Any) -> bool:
        """Whether `value` has characters other than blanks, and one of the schemes."""
        if not isinstance(value, str) or not value.strip():
            return False
        scheme, separator, rest = value.partition("://")
        return not self.schemes or (bool(separator and rest) and scheme.split("+")[0] in self.schemes)

    def canonical(self, value: Any) -> Any:
        """The value itself."""
        return value

    def expected(self, kind: type, unit: str) -> str:
        """For example "a folder"."""
        if not self.schemes:
            return self.what
        return f"{self.what} that begins with {', '.join(f'{scheme}://' for scheme in self.schemes)}"

    def brief(self) -> str:
        """Nothing: the help sentence names the text."""
        return ""


class Sizes(tuple[int, ...]):
    """Whole numbers that are written `[256,128]`."""

    def __str__(self) -> str:
        return f"[{','.join(map(str, self))}]"

    __repr__ = __str__


@dataclass(frozen=True)
class SizeList:
    """One or several whole numbers from 1 up: `[256,128]`, `[120]` or `120`.

    Attributes:
      most: largest number.
      longest: largest length.
    """

    most: int
    longest: int

    def allows(self, value: Any) -> bool:
        """Whether `value` is such a list."""
        found = self.canonical(value)
        return isinstance(found, Sizes) and all(1 <= size <= self.most for size in found)

    def canonical(self, value: Any) -> Any:
        """The numbers as `Sizes`; anything else is left as it is."""
        if isinstance(value, str) and re.fullmatch(r"\d+|\[\s*\d+(\s*,\s*\d+)*\s*\]", value.strip()):
            value = [int(part) for part in value.strip().strip("[]").split(",")]
        parts = [value] if type(value) is int else value
        if not isinstance(parts, Iterable) or isinstance(parts, str | bytes | Mapping):
            return value
        found = list(parts)
        is_list = 0 < len(found) <= self.longest and all(type(size) is int for size in found)
        return Sizes(found) if is_list else value

    def expected(self, kind: type, unit: str) -> str:
        """For example "a list of 1 to 8 whole numbers of units from 1 to 8192: [256,128]"."""
        of = f" of {unit}" if unit else ""
        return f"a list of 1 to {self.longest} whole numbers{of} from 1 to {self.most}: [256,128]"

    def brief(self) -> str:
        """An example."""
        return "such as [256,128]"


@dataclass(frozen=True)
class Lines:
    """A list of texts.

    Attributes:
      example: one of them.
    """

    example: str

    def allows(self, value: Any) -> bool:
        """Whether `value` is such a list; it may be empty."""
        return isinstance(self.canonical(value), tuple)

    def canonical(self, value: Any) -> Any:
        """The texts as a tuple; anything else is left as it is."""
        if isinstance(value, str) or not isinstance(value, Iterable) or isinstance(value, Mapping):
            return value
        found = list(value)
        return tuple(found) if all(isinstance(each, str) and each.strip() for each in found) else value

    def expected(self, kind: type, unit: str) -> str:
        """With the example."""
        return f"a list of texts such as {self.example!r}"

    def brief(self) -> str:
        """Nothing: an example would be too long."""
        return ""


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def allows(self, value: Any) -> bool:
        """Whether `value` is a bool."""
        return isinstance(value, bool)

    def canonical(self, value: Any) -> Any:
        """The value itself."""
        return value

    def expected(self, kind: type, unit: str) -> str:
        """The two words."""
        return "true or false"

    def brief(self) -> str:
        """The two words."""
        return "true, false"
