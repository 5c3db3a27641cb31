"""The space that overrides describe: intervals, lists of values, and the conditions of `search.when`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from swath.config import (
    FIELDS,
    WHEN_EXAMPLE,
    IntervalSweep,
    Override,
    SearchConfig,
    parse_overrides,
    typed_value,
)
from swath.errors import ConfigError
from swath.searching.space import Dimension, Space
from swath.tracking import schema

Options = dict[str, list[str]]
"""The names of the configs in each config group."""

Condition = tuple[str, tuple[str, ...], Override]
"""(another field or config group, its values, what is searched with them)."""


def space_of(swept: Sequence[Override], settings: SearchConfig, options: Options) -> tuple[Space, int | None]:
    """The space, and the length of a trial that is never stopped; None if no override varies it.

    A field `max_steps` with several values is no dimension: its largest value is the last rung.

    Raises:
      ConfigError: an interval is not one of its field, or a condition is not one of the space.
    """
    conditions = conditions_of(settings)
    others = [each for _, _, each in conditions]
    if mistakes := [line for each in (*swept, *others) for line in swept_mistakes(each, options)]:
        raise ConfigError(mistakes)
    lengths = [each for each in swept if each.key_or_group == schema.MAX_STEPS]
    dimensions = [_dimension(each, options) for each in swept if each not in lengths]
    if not dimensions:
        raise ConfigError(
            ["a search needs a field with several values or an interval, such as -m learning_rate=..."]
        )
    longest = max(map(_longest, lengths), default=None)
    return Space(_with_conditions(dimensions, conditions, options)), longest


def conditions_of(settings: SearchConfig) -> list[Condition]:
    """The lines of `search.when`, parsed.

    Raises:
      ConfigError: a line is not `field=value: field=interval or values`.
    """
    found = []
    for line in settings.when:
        first, colon, rest = line.partition(":")
        name, equals, values = first.strip().partition("=")
        if not (colon and equals and values and rest.strip()):
            expected = "expected FIELD=VALUE: FIELD=VALUES, such as"
            raise ConfigError([f"search.when: {line!r}: {expected} {WHEN_EXAMPLE!r}"])
        try:
            (condition,) = parse_overrides([first.strip()])
            (override,) = parse_overrides([rest.strip()])
        except ConfigError as error:
            raise ConfigError([f"search.when: {mistake}" for mistake in error.mistakes]) from error
        found.append((name.strip(), tuple(_values(condition)), override))
    return found


def _with_conditions(
    dimensions: Sequence[Dimension], conditions: Sequence[Condition], options: Options
) -> tuple[Dimension, ...]:
    """The dimensions, those that others depend on first, with the conditions of `search.when`."""
    by_name = {each.name: each for each in dimensions}
    conditional = []
    taken: dict[str, list[str]] = {}
    for name, values, override in conditions:
        other = by_name.get(name)
        unknown = [value for value in values if other is None or value not in other.choices]
        if other is None or unknown:
            expected = "some of" if other is not None else "a field with several values in this search"
            choices = "" if other is None else f" {','.join(other.choices)}"
            raise ConfigError([f"search.when: {name}={','.join(values)}: expected {expected}{choices}"])
        dimension = _dimension(override, options)
        conditional.append(replace(dimension, when=(name, values)))
        before = by_name.get(dimension.name)
        if before is not None:
            taken.setdefault(dimension.name, []).extend(values)
            left = tuple(value for value in other.choices if value not in taken[dimension.name])
            by_name[dimension.name] = replace(before, when=(name, left))
    found = [each for each in by_name.values() if each.when is None or each.when[1]]
    always = [each for each in found if each.when is None]
    return (*always, *(each for each in found if each.when is not None), *conditional)


def swept_mistakes(override: Override, options: Options) -> Iterator[str]:
    """What is wrong with the several values or the interval of a field; one line each."""
    key, line = str(override.key_or_group), override.input_line
    if not override.is_sweep_override():
        return
    if override.is_discrete_sweep():
        if not any(True for _ in override.sweep_iterator()):
            yield f"{line}: no values"
        return
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    low, high = float(sweep.start or 0), float(sweep.end or 0)
    if key in options or FIELDS[key].kind not in (int, float):
        yield f"{line}: {key} has no interval; type its values, separated by commas"
    elif low > high:
        yield f"{line}: the ends are reversed; expected interval({high:g},{low:g})"
    elif "log" in sweep.tags and low <= 0:
        yield f"{line}: expected a lower end above 0, because of tag(log,...)"
    elif FIELDS[key].kind is int and math.ceil(low) > math.floor(high):
        yield f"{line}: no whole number lies between {low:g} and {high:g}"
    else:
        spec = FIELDS[key]
        ends = (math.ceil(low), math.floor(high)) if spec.kind is int else (low, high)
        if not all(spec.allows(typed_value(key, end)) for end in ends):
            yield f"{line}: expected {spec.expected}"


def _dimension(override: Override, options: Options) -> Dimension:
    key = str(override.key_or_group)
    splits = key in options or FIELDS[key].shared_by in ("program", "group")
    if not override.is_sweep_override():  # one value, in a condition
        return Dimension(key, choices=tuple(_values(override)), splits=splits)
    if override.is_discrete_sweep():
        return Dimension(key, choices=tuple(_texts(override)), splits=splits)
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    low, high, whole = float(sweep.start or 0), float(sweep.end or 0), FIELDS[key].kind is int
    if whole:
        low, high = float(math.ceil(low)), float(math.floor(high))
    return Dimension(key, low, high, "log" in sweep.tags, whole, splits=splits)


def _values(override: Override) -> list[str]:
    """The one or several values of an override, in Hydra's grammar."""
    if override.is_sweep_override():
        return _texts(override)
    return [override.get_value_element_as_str()]


def _texts(override: Override) -> list[str]:
    """The values of an override in Hydra's grammar; sums of a range are rounded."""
    found = []
    for text in override.sweep_string_iterator():
        value = str(text)
        found.append(
            f"{float(value):.15g}" if "e" not in value and "." in value and _is_number(value) else value
        )
    return list(dict.fromkeys(found))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _longest(override: Override) -> int:
    if override.is_discrete_sweep():
        return max(int(text) for text in override.sweep_string_iterator())
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    return math.floor(float(sweep.end or 0))
