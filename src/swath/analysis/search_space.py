"""The fields that a stored search looked through: their intervals and values, read from its manifest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swath import config

AT_AN_END = 0.02
"""Share of an interval, from either end, that counts as its end: a sampler hardly ever proposes the end."""


@dataclass(frozen=True)
class SearchedField:
    """A field or config group, and what could be proposed for it.

    Attributes:
      name: of the field, or of the config group.
      low: smallest number; 0 for listed values.
      high: largest number; 0 for listed values.
      log: whether numbers are compared by their ratio.
      whole: whether numbers are whole.
      choices: the listed values, as text; empty for an interval.
      when: (another field, its values) with which it exists; None if it always does.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None

    @property
    def is_interval(self) -> bool:
        """Whether numbers of an interval could be proposed, rather than listed values."""
        return not self.choices

    @property
    def label(self) -> str:
        """The name, and with what the field exists; unique in a space."""
        if self.when is None:
            return self.name
        other, values = self.when
        return f"{self.name} ({other}={','.join(values)})"

    def exists_in(self, point: Mapping[str, str]) -> bool:
        """Whether the field exists in a proposal."""
        return self.when is None or point.get(self.when[0]) in self.when[1]

    def place_of(self, number: float) -> float:
        """Where a number lies in the interval: 0 at the lower end, 1 at the upper."""
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)


def searched_fields(space: Sequence[str], when: Sequence[str]) -> tuple[SearchedField, ...]:
    """The fields of a search.

    Args:
      space: an override with an interval or several values for each field, as the manifest keeps it.
      when: the conditions, as `search.when` has them: `field=values: override`.

    Raises:
      ConfigError: a line cannot be parsed.
    """
    always = {field.name: field for field in map(_field, config.parse_overrides(list(space)))}
    conditional = []
    for line in when:
        condition, _, rest = line.partition(":")
        other, _, texts = condition.strip().partition("=")
        values = tuple(text.strip() for text in texts.split(","))
        (override,) = config.parse_overrides([rest.strip()])
        found = replace(_field(override), when=(other.strip(), values))
        conditional.append(found)
        if (before := always.get(found.name)) is not None and other in always:
            known = always[other].choices if before.when is None else before.when[1]
            left = tuple(value for value in known if value not in values)
            always[found.name] = replace(before, when=(other, left))
    kept = [field for field in always.values() if field.when is None or field.when[1]]
    return (*kept, *conditional)


def by_name(fields: Sequence[SearchedField]) -> dict[str, SearchedField]:
    """The fields by name; one that has other values under other conditions has all of them."""
    found: dict[str, SearchedField] = {}
    for field in fields:
        before = found.get(field.name)
        if before is None:
            found[field.name] = replace(field, when=None)
        elif before.is_interval and field.is_interval:
            low, high = min(before.low, field.low), max(before.high, field.high)
            found[field.name] = replace(before, low=low, high=high, log=before.log or field.log)
        else:
            choices = tuple(dict.fromkeys((*before.choices, *field.choices)))
            found[field.name] = replace(before, choices=choices)
    return found


def _field(override: Any) -> SearchedField:
    """The field of an override that Hydra has parsed."""
    name = str(override.key_or_group)
    if not override.is_sweep_override():  # one value, in a condition
        return SearchedField(name, choices=(str(override.value()),))
    if override.is_discrete_sweep():
        return SearchedField(name, choices=tuple(dict.fromkeys(map(str, override.sweep_string_iterator()))))
    interval = override.value()
    low, high = float(interval.start or 0), float(interval.end or 0)
    whole = name in config.FIELDS and config.FIELDS[name].kind is int
    if whole:
        low, high = float(math.ceil(low)), float(math.floor(high))
    return SearchedField(name, low, high, "log" in interval.tags, whole)
