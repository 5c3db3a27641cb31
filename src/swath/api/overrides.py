"""Fields of a call in Python as the overrides that the command would get."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swath.config import FIELDS
from swath.errors import ConfigError
from swath.tracking import schema

Value = str | int | float | bool | Path | None
Fields = Mapping[str, "Value | Iterable[Value] | Mapping[str, Any]"]

COMMAND_ONLY = {
    "dry_run": "the command `swath` prints the plan: add dry_run=true there",
    "print_every_steps": "a progress bar is shown instead",
}
"""Settings that mean nothing in Python, and why."""


def merged(changes: Fields | None, fields: Fields) -> Fields:
    """The fields of both arguments of a call.

    Raises:
      ConfigError: `changes` is not a mapping.
    """
    if changes is not None and not isinstance(changes, Mapping):
        example = {schema.VALIDATION_SIZE: 5000}
        raise ConfigError([f"changes={changes!r}: expected fields and values, such as {example}"])
    return {**(changes or {}), **fields}


def overrides_of(fields: Fields, sweeping: bool) -> list[str]:
    """The overrides of a command, `NAME=VALUE`, in the order of the fields.

    Args:
      fields: values by dotted name; a mapping within stands for the fields below a name.
      sweeping: whether a field may have several values.

    Raises:
      ConfigError: a value is of no type that a field can have.
    """
    return [f"{name}={_override(name, value, sweeping)}" for name, value in _flat(fields)]


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if name in COMMAND_ONLY:
            raise ConfigError([f"{name}: not supported in Python; {COMMAND_ONLY[name]}"])
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _override(name: str, value: Any, sweeping: bool) -> str:
    if hasattr(value, "tolist"):  # of NumPy: some of its scalars are floats too
        value = value.tolist()
    if name in FIELDS and FIELDS[name].kind is list and isinstance(value, list | tuple):
        value = _lists(value, sweeping)
    single = _single(value)
    if single is not None:
        return single
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        values = [_single(entry.tolist() if hasattr(entry, "tolist") else entry) for entry in value]
        if not sweeping:
            raise ConfigError([f"{name}={value!r}: expected one value; a sweep takes several"])
        if values and None not in values:
            return ",".join(filter(None, values))
    raise ConfigError([f"{name}={value!r}: expected a number, a text, True, False, None, or a list of these"])


class _Grammar(str):
    """A value that is in the grammar of Hydra's overrides already."""


def interval(low: float, high: float, *, log: bool = False) -> str:
    """An interval that a search looks through: `learning_rate=interval(1e-8, 1e-2, log=True)`.

    Args:
      low: smallest number.
      high: largest number.
      log: whether numbers are spread evenly by their ratio.
    """
    text = f"interval({low!r},{high!r})"
    return _Grammar(f"tag(log,{text})" if log else text)


def _lists(value: Sequence[Any], sweeping: bool) -> Any:
    """The value of a field that is a list: a flat list is one value, lists within a list are several."""
    if not any(isinstance(entry, list | tuple) for entry in value):
        return _Grammar(f"[{','.join(map(str, value))}]")
    parts = [_lists(entry, sweeping) if isinstance(entry, list | tuple) else entry for entry in value]
    return parts if sweeping or len(parts) != 1 else parts[0]


def _single(value: object) -> str | None:
    """A value in the grammar of Hydra's overrides; None if it is not a single value."""
    if isinstance(value, _Grammar):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        text = str(value)
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        return text if text.isidentifier() else f"'{quoted}'"
    return None
