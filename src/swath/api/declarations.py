"""Models and data sets that a program gives as objects in a call."""

from collections.abc import Iterable, Mapping
from typing import Any

from swath.api.overrides import Fields
from swath.config import add_declared
from swath.datasets import OwnDataset
from swath.errors import ConfigError
from swath.models import own_model


def with_names(fields: Fields) -> Fields:
    """The fields of a call, with the names of models and data sets in place of objects, which are added.

    Raises:
      ConfigError: an object is no model or data set, or its name is taken.
    """
    declared: list[Any] = []
    found = {name: _named(name, given, declared) for name, given in fields.items()}
    add_declared(*declared)
    return found


def _named(field: str, given: Any, declared: list[Any]) -> Any:
    """The names of what is given for a field; objects are appended to `declared`."""
    if field not in ("model", "data") or given is None or isinstance(given, str):
        return given
    if isinstance(given, Mapping):  # fields below the name
        return {**given, "name": _named(field, given["name"], declared)} if "name" in given else given
    several = isinstance(given, Iterable)
    entries = given if several else [given]
    names = [entry if isinstance(entry, str) else _declared(field, entry, declared) for entry in entries]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        what = f"two entries have the name {repeated}; give each a name of its own"
        raise ConfigError([f"{field}: {what}"])
    return names if several else names[0]


def _declared(field: str, given: object, declared: list[Any]) -> str:
    try:
        found = own_model(given) if field == "model" else _own_dataset(given)
    except (TypeError, ValueError) as error:
        raise ConfigError([f"{field}: {error}"]) from error
    declared.append(found)
    return found.name


def _own_dataset(given: object) -> OwnDataset:
    if not isinstance(given, OwnDataset):
        raise TypeError(f"expected an OwnDataset or the name of a data set; found {type(given).__name__}")
    return given
