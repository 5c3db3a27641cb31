"""Models that a program gives as objects in a call."""

from collections.abc import Iterable
from typing import Any

from swath.api.overrides import Fields
from swath.config import add_program_model
from swath.errors import ConfigError
from swath.models import own_model


def with_model_names(fields: Fields) -> Fields:
    """The fields of a call, with the names of models in place of objects; the models are added to swath's.

    Raises:
      ConfigError: an object is no model, or its name is taken.
    """
    given: Any = fields.get("model")
    if given is None or isinstance(given, str):
        return fields
    several = isinstance(given, Iterable)
    names = [entry if isinstance(entry, str) else _added(entry) for entry in (given if several else [given])]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError([f"model: two models have the name {repeated}; give each a name of its own"])
    return {**fields, "model": names if several else names[0]}


def _added(given: object) -> str:
    try:
        own = own_model(given)
    except (TypeError, ValueError) as error:
        raise ConfigError([f"model: {error}"]) from error
    add_program_model(own)
    return own.name
