"""The space that a search looks through: a dimension for each field with an interval or several values."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

DIGITS = 3
"""Significant digits of proposed numbers, so that they can be typed and compared."""


@dataclass(frozen=True)
class Dimension:
    """A field or config group, and what may be proposed for it.

    Attributes:
      name: of the field, or of the config group.
      low: smallest number.
      high: largest number.
      log: whether numbers are spread evenly by their ratio.
      whole: whether numbers are whole.
      choices: values in the grammar of overrides; empty for numbers.
      splits: whether trials that differ in it cannot share a program.
      when: (another dimension, its values) with which this one exists; None if it always does. Dimensions of
        one name exist with different values of another.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()
    splits: bool = False
    when: tuple[str, tuple[str, ...]] | None = None

    @property
    def label(self) -> str:
        """The name, and with what the dimension exists; unique in a space."""
        if self.when is None:
            return self.name
        other, values = self.when
        return f"{self.name} ({other}={','.join(values)})"

    @property
    def is_number(self) -> bool:
        """Whether values are drawn from an interval."""
        return not self.choices

    @property
    def count(self) -> int | None:
        """How many values there are; None for an interval of real numbers."""
        if self.choices:
            return len(self.choices)
        if self.low == self.high:
            return 1
        return len(whole_numbers(self.low, self.high)) if self.whole and self.high - self.low < 1e5 else None

    def at(self, place: float) -> str:
        """The value at a place between 0 and 1, as the text of an override."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        # Half a unit on both sides, so that the first and last whole number are as likely as the others.
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        low = max(low, 0.5) if self.log and self.whole else low
        number = low * (high / low) ** place if self.log else low + (high - low) * place
        return self.text(number)

    def text(self, number: float) -> str:
        """A number of the interval, rounded, as the text of an override."""
        rounded = float(f"{round(number) if self.whole else number:.{DIGITS}g}")
        inside = min(max(rounded, self.low), self.high)
        return str(int(inside)) if self.whole else repr(float(inside))

    def value(self, text: str) -> str | int | float:
        """The value of a text of `at`: a number of an interval, or the text of a choice."""
        if self.choices:
            return text
        return int(text) if self.whole else float(text)

    def place_of(self, text: str) -> float:
        """The place of a number between 0 and 1; the inverse of `at`, for comparing distances."""
        number = float(text)
        if self.low == self.high:
            return 0.0
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)


def whole_numbers(low: float, high: float) -> list[int]:
    """The whole numbers of an interval that have `DIGITS` digits or fewer, and its ends."""
    rounded = {int(float(f"{number:.{DIGITS}g}")) for number in range(int(low), int(high) + 1)}
    return sorted({min(max(number, int(low)), int(high)) for number in rounded})


Point = Mapping[str, str]
"""A proposal: the text of each dimension that exists."""


@dataclass(frozen=True)
class Space:
    """What a search looks through.

    Attributes:
      dimensions: in the order in which they were given; one that others depend on comes before them.
    """

    dimensions: tuple[Dimension, ...] = field(default_factory=tuple)

    @property
    def count(self) -> int | None:
        """How many points there are at most; None if there is no limit."""
        always = [dimension.count for dimension in self.dimensions if dimension.when is None]
        others = [dimension.count for dimension in self.dimensions if dimension.when is not None]
        if None in (*always, *others):
            return None
        if others:
            return len(set(self.points()))
        return math.prod(count for count in always if count is not None)

    def points(self) -> Iterator[tuple[tuple[str, str], ...]]:
        """Every point of a space without intervals, in the order of Hydra's grids; some come twice."""
        for texts in itertools.product(*(dimension.choices for dimension in self.dimensions)):
            point: dict[str, str] = {}
            for dimension, text in zip(self.dimensions, texts, strict=True):
                if self.existing(point, dimension):
                    point[dimension.name] = text
            yield tuple(point.items())

    def existing(self, point: Point, dimension: Dimension) -> bool:
        """Whether a dimension exists in a point."""
        return dimension.when is None or point.get(dimension.when[0]) in dimension.when[1]

    def at(self, places: Sequence[float]) -> Point:
        """The point at places between 0 and 1, one for each dimension."""
        point: dict[str, str] = {}
        for dimension, place in zip(self.dimensions, places, strict=True):
            if self.existing(point, dimension):
                point[dimension.name] = dimension.at(place)
        return point
