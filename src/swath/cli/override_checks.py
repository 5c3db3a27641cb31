"""Checks of single overrides: of names, of values, and of the ways to write a sweep."""

import importlib.util
from collections.abc import Iterator, Sequence

from hydra.core.override_parser.types import Glob, Override

from swath.config import (
    FIELDS,
    LIST_FIELDS,
    NODES,
    example_values,
    group_mistake,
    literal_values,
    removed_choice,
    removed_key,
    unknown_field,
    value_mistakes,
)

SEARCHERS = {
    "hydra_optuna_sweeper": "optuna",
    "hydra_ax_sweeper": "ax",
    "hydra_nevergrad_sweeper": "nevergrad",
}
"""Packages with a sweeper that searches, and its name in `hydra/sweeper=NAME`."""


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


def _choice_mistakes(override: Override, options: list[str]) -> Iterator[str]:
    values = literal_values(override)
    if not values:
        yield f"{override.input_line}: expected one of {', '.join(options)}"
    for value in values:
        if (line := group_mistake(override.key_or_group, value, options)) is not None:
            yield line


def swept_mistakes(overrides: Sequence[Override], in_file: bool = False) -> Iterator[str]:
    """Overrides whose values a grid cannot list; one line each.

    Args:
      overrides: parsed by Hydra.
      in_file: whether they are entries of `hydra.sweeper.params` in a config file.
    """
    for override in overrides:
        if not override.is_sweep_override():
            continue
        if not override.is_discrete_sweep():
            yield interval_mistake(override, in_file)
        elif not any(True for _ in override.sweep_iterator()):
            yield f"{override.input_line}: no values"


def interval_mistake(override: Override, in_file: bool = False) -> str:
    """The line about an interval in a command that trains a grid."""
    key = str(override.key_or_group)
    found = next((name for module, name in SEARCHERS.items() if _is_installed(module)), None)
    search = f"; or add hydra/sweeper={found} to search" if found else ""
    values = f"{key}: {example_values(key)}" if in_file else f"-m {key}={example_values(key)}"
    return f"{override.input_line}: a grid has no intervals; type values: {values}{search}"


def _is_installed(plugin: str) -> bool:
    return importlib.util.find_spec(f"hydra_plugins.{plugin}") is not None


def single_mistake(override: Override, searches: bool) -> str:
    """The line about several values in a command that trains one configuration.

    Args:
      override: with the values.
      searches: whether the chosen sweeper searches, so that it accepts an interval.
    """
    if override.is_discrete_sweep():
        return f"{override.input_line}: expected one value; to sweep several values, add -m"
    if searches:
        return f"{override.input_line}: expected one value; to search, add -m"
    return interval_mistake(override)
