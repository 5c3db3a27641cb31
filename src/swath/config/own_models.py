"""Adds models of packages and programs, with their fields, to those of swath."""

from dataclasses import replace
from typing import Any

from swath.config.constraints import Choice
from swath.config.fields import OWN_FIELDS, FieldSpec, own_fields_changed
from swath.config.model_fields import ModelField
from swath.errors import ConfigError
from swath.models import BROKEN, MODELS, OwnModel, add_model
from swath.system import offers

GROUP = "swath.models"
"""Entry points whose objects are models."""


_OURS: dict[str, FieldSpec] = {}
"""swath's fields of `model`, without the prefix."""


class ModelNames(Choice):
    """The models that are there; the list grows when a program adds one."""

    def __init__(self) -> None:
        super().__init__(())

    @property
    def words(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(MODELS)

    @words.setter
    def words(self, names: tuple[str, ...]) -> None:
        """Ignored: the initializer of the base class sets it."""


def install_models(ours: dict[str, FieldSpec]) -> None:
    """Add the models of installed packages; those that cannot be used are listed in `models.BROKEN`.

    Args:
      ours: swath's fields of `model`, without the prefix.
    """
    _OURS.update(ours)
    declared: dict[str, str] = {}
    for offer in offers(GROUP):
        fault = offer.fault or _fault(offer.name, offer.value)
        if offer.name in declared:
            fault = f"{declared[offer.name]} and {offer.package} both declare it; uninstall one of them"
            remove_model(offer.name)
            BROKEN[offer.name] = fault
        elif fault:
            BROKEN[offer.name] = f"{offer.package}: {fault}"
        else:
            _add(offer.value, offer.package)
        declared.setdefault(offer.name, offer.package)


def add_program_model(own: OwnModel) -> None:
    """Add a model that a program declares; it replaces one of the same name that a program declared before.

    Raises:
      ConfigError: the name or a field is taken.
    """
    before = MODELS.get(own.name)
    if before is not None and (before.own is None or before.package):
        of = f"of {before.package}" if before.package else "of swath"
        raise ConfigError([f"model {own.name}: the name is taken by a model {of}; choose another name"])
    if before is not None:
        remove_model(own.name)
    if fault := _fault(own.name, own):
        raise ConfigError([f"model {own.name}: {fault}"])
    _add(own, "")


def _fault(name: str, value: object) -> str:
    """Why an object cannot be added as a model of this name, in one line; empty if it can."""
    if not isinstance(value, OwnModel):
        return f"entry point {name} is {_article(type(value).__name__)}, expected a swath.models.OwnModel"
    if value.name != name:
        return f"entry point {name} declares a model of another name: {value.name}"
    if name in MODELS and MODELS[name].own is None:
        return "swath has a model of this name"
    for leaf, field in value.fields.items():
        if not isinstance(field, ModelField):
            what = _article(type(field).__name__)
            return f"field {leaf} is {what}, expected one of swath.config.model_field"
        if leaf == "name":
            return "field name is taken; rename it"
        there = OWN_FIELDS.get(leaf, _OURS.get(leaf))
        if there is not None and _meaning(there) != _meaning(field.spec):
            of = "swath" if leaf not in OWN_FIELDS else f"model {_models_with(there)[0]}"
            return f"field {leaf} is declared in another way by {of}; rename it, or declare it the same"
    return ""


def _article(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _meaning(spec: FieldSpec) -> tuple[Any, ...]:
    """What two models that share a field must agree on."""
    return spec.constraint, spec.help, spec.unit, spec.kind


def _models_with(spec: FieldSpec) -> tuple[str, ...]:
    assert spec.only_with is not None
    return spec.only_with[1]


def _add(own: OwnModel, package: str) -> None:
    add_model(own, package)
    for leaf, field in own.fields.items():
        there = OWN_FIELDS.get(leaf) or _OURS.get(leaf)
        others = () if there is None else _models_with(there)
        OWN_FIELDS[leaf] = replace(there or field.spec, only_with=("model.name", (*others, own.name)))
    own_fields_changed()


def remove_model(name: str) -> None:
    """Remove a model that a package or a program has added, and the fields that no other model has."""
    spec = MODELS.pop(name, None)
    if spec is None or spec.own is None:
        return
    for leaf in spec.own.fields:
        rest = tuple(model for model in _models_with(OWN_FIELDS[leaf]) if model != name)
        if rest and rest != _models_with(_OURS.get(leaf, OWN_FIELDS[leaf])):
            OWN_FIELDS[leaf] = replace(OWN_FIELDS[leaf], only_with=("model.name", rest))
        else:
            del OWN_FIELDS[leaf]
    own_fields_changed()
