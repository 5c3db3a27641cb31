"""Checks of single overrides: of names, of values, and of the ways to write a sweep."""

from collections.abc import Iterator

from hydra.core.override_parser.types import Glob, Override

from swath.config import (
    FIELDS,
    LIST_FIELDS,
    NODES,
    group_mistake,
    literal_values,
    removed_choice,
    removed_key,
    unknown_field,
    value_mistakes,
)


def override_mistakes(
    override: Override, group_options: dict[str, list[str]], in_file: bool = False
) -> Iterator[str]:
    """Mistakes of a single override, regardless of the others; one line each.

    Args:
      override: parsed by Hydra.
      group_options: the names of the configs in each config group.
      in_file: whether it is an entry of `hydra.sweeper.params` in a config file.
    """
    key = override.key_or_group
    removed = removed_key(key) or next(
        filter(None, (removed_choice(key, value) for value in literal_values(override))), None
    )
    if removed is not None:
        yield removed
        return
    if override.is_hydra_override() or override.package is not None:
        return
    if override.is_delete():
        yield f"{override.input_line}: fields cannot be deleted; each has a default"
    elif key in NODES and (key not in group_options or isinstance(override.value(), dict)):
        field = next(name for name in FIELDS if name.startswith(f"{key}."))
        yield f"{override.input_line}: set each field of {key} separately, for example {field}=..."
    elif key in group_options and override.is_sweep_override() and _is_setting(key):
        yield f"{override.input_line}: expected one value for the whole sweep"
    elif key in group_options:
        yield from _choice_mistakes(override, group_options[key])
    elif key not in FIELDS:
        line = unknown_field(key, group_options) if key else f"missing field name{LIST_FIELDS}"
        yield f"{override.input_line}: {line}"
    elif override.is_add():
        yield f"{override.input_line}: the field exists; remove the leading +"
    elif isinstance(override.value(), Glob):
        yield f"{override.input_line}: expected {FIELDS[key].expected}"
    elif override.is_sweep_override() and FIELDS[key].scope == "sweep":
        yield f"{override.input_line}: expected one value for the whole sweep"
    else:
        for value in literal_values(override):
            yield from value_mistakes(key, value, in_file)


def _is_setting(group: str) -> bool:
    """Whether a config group sets nothing that may be swept."""
    return all(spec.scope == "sweep" for name, spec in FIELDS.items() if name.startswith(f"{group}."))


def _choice_mistakes(override: Override, options: list[str]) -> Iterator[str]:
    values = literal_values(override)
    if not values:
        yield f"{override.input_line}: expected one of {', '.join(options)}"
    for value in values:
        if (line := group_mistake(override.key_or_group, value, options)) is not None:
            yield line


def single_mistake(override: Override) -> str:
    """The line about several values or an interval in a command that trains one configuration."""
    purpose = "sweep several values" if override.is_discrete_sweep() else "search"
    return f"{override.input_line}: expected one value; to {purpose}, add -m"
