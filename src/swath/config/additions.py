"""Adds models and data sets of packages and programs, with their fields, to those of swath."""

import keyword
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from swath import datasets, models
from swath.config.added_fields import ADDED, OpenNode, fields_changed
from swath.config.constraints import Choice
from swath.config.declaring import OwnField
from swath.config.fields import FieldSpec
from swath.errors import ConfigError
from swath.system import offers


class Addition(NamedTuple):
    """What was added under a name.

    Attributes:
      declaration: an `OwnModel` or an `OwnDataset`.
      package: name and version of its package; empty if the program declares it.
      module: the module that the package names.
    """

    declaration: Any
    package: str = ""
    module: str = ""


@dataclass(frozen=True)
class Kind:
    """Models, or data sets.

    Attributes:
      group: node of the configuration and config group: `model` or `data`.
      chosen_by: dotted name of the field that holds the name.
      what: in messages.
      entry_points: group of entry points whose objects are declarations.
      declaration: class of the declarations.
      names: the names that are there, swath's and added ones.
      add: (declaration, package, module) -> None.
      remove: name -> None.
      missing: name -> the line about a name that is not there.
      broken: why a name that a package declares cannot be used, in one line.
      added: what was added, by name.
      reserved: names that a field cannot have, beside those of every node.
      always: values of swath's fields that exist with every choice, where none is given.
      ours: swath's fields of the node, without the prefix.
    """

    group: str
    chosen_by: str
    what: str
    entry_points: str
    declaration: type
    names: Callable[[], Collection[str]]
    add: Callable[[Any, str, str], None]
    remove: Callable[[str], None]
    missing: Callable[[str], str]
    broken: dict[str, str]
    reserved: tuple[str, ...] = ("own", "group")
    always: dict[str, Any] = field(default_factory=dict)
    added: dict[str, Addition] = field(default_factory=dict)
    ours: dict[str, FieldSpec] = field(default_factory=dict)


MODELS = Kind(
    "model",
    "model.name",
    "model",
    "swath.models",
    models.OwnModel,
    lambda: models.MODELS,
    models.add_model,
    models.remove_model,
    models.missing_model,
    models.BROKEN,
)

DATA = Kind(
    "data",
    "data.name",
    "data set",
    "swath.datasets",
    datasets.OwnDataset,
    datasets.names,
    datasets.add_dataset,
    datasets.remove_dataset,
    datasets.missing_dataset,
    datasets.BROKEN,
    ("own", "group", "key"),
    {"validation_size": 0},
)

KINDS = (MODELS, DATA)


class Names(Choice):
    """The names of a kind that are there; the list grows when a program adds one."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        super().__init__(())

    @property
    def words(self) -> tuple[str, ...]:
        """The names."""
        return tuple(self._kind.names())

    @words.setter
    def words(self, names: tuple[str, ...]) -> None:
        """Ignored: the initializer of the base class sets it."""


def install(kind: Kind, ours: dict[str, FieldSpec]) -> None:
    """Add what installed packages declare; what cannot be used is listed in `broken`.

    Args:
      kind: models or data sets.
      ours: swath's fields of the node, without the prefix.
    """
    kind.ours.update(ours)
    declared: dict[str, str] = {}
    for offer in offers(kind.entry_points, models.set_variables):
        fault = offer.fault or _fault(kind, offer.name, offer.value)
        if offer.name in declared:
            fault = f"{declared[offer.name]} and {offer.package} both declare it; uninstall one of them"
            remove(kind, offer.name)
            kind.broken[offer.name] = fault
        elif fault:
            kind.broken[offer.name] = f"{offer.package}: {fault}"
        else:
            _add(kind, Addition(offer.value, offer.package, offer.module))
        declared.setdefault(offer.name, offer.package)


def add_declared(*declarations: Any) -> None:
    """Add models and data sets that a program declares, or none of them.

    Each replaces one of its name that the program added before.

    Args:
      *declarations: each an `OwnModel` or an `OwnDataset`.

    Raises:
      ConfigError: a name or a field is taken.
    """
    given = [(_kind_of(declaration), declaration) for declaration in declarations]
    before = [
        (kind, kind.added[each.name])
        for kind, each in given
        if each.name in kind.added and not kind.added[each.name].package
    ]
    for kind, addition in before:
        remove(kind, addition.declaration.name)
    for number, (kind, declaration) in enumerate(given):
        if fault := _program_fault(kind, declaration):
            for added_to, each in given[:number]:
                remove(added_to, each.name)
            for taken_from, addition in before:
                _add(taken_from, addition)
            raise ConfigError([f"{kind.what} {declaration.name}: {fault}"])
        _add(kind, Addition(declaration))


def _kind_of(declaration: Any) -> Kind:
    return next(kind for kind in KINDS if isinstance(declaration, kind.declaration))


def _program_fault(kind: Kind, declaration: Any) -> str:
    """Why a declaration of a program cannot be added, in one line; empty if it can."""
    there = kind.added.get(declaration.name)
    if declaration.name in kind.names():
        of = f"of {there.package or 'the program'}" if there is not None else "of swath"
        return f"the name is taken by a {kind.what} {of}; choose another name"
    return _fault(kind, declaration.name, declaration)


def _fault(kind: Kind, name: str, value: object) -> str:
    """Why an object cannot be added under this name, in one line; empty if it can."""
    if not isinstance(value, kind.declaration):
        wanted = f"{kind.entry_points}.{kind.declaration.__name__}"
        return f"entry point {name} is {_article(type(value).__name__)}, expected a {wanted}"
    declaration: Any = value
    if declaration.name != name:
        return f"entry point {name} declares a {kind.what} of another name: {declaration.name}"
    if name in kind.names() and name not in kind.added:
        return f"swath has a {kind.what} of this name"
    for leaf, given in declaration.fields.items():
        if not isinstance(given, OwnField):
            what = _article(type(given).__name__)
            return f"field {leaf} is {what}, expected one of swath.config.{kind.group}_field"
        there = _declaration_of(kind, leaf)
        if there is None:
            if keyword.iskeyword(leaf) or hasattr(OpenNode, leaf) or leaf in kind.reserved:
                return f"field {leaf} has a name that Python or swath uses; rename it, such as {leaf}_value"
            continue
        if there.only_with is None:
            return f"field {leaf} is taken; rename it"
        if _meaning(there) != _meaning(given.spec):
            shared = leaf in ADDED[kind.group]
            of = f"{kind.what} {_with(there)[0]}" if shared else "swath"
            return f"field {leaf} is declared in another way by {of}; rename it, or declare it the same"
    return ""


def _declaration_of(kind: Kind, leaf: str) -> FieldSpec | None:
    return ADDED[kind.group].get(leaf) or kind.ours.get(leaf)


def _article(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _meaning(spec: FieldSpec) -> tuple[Any, ...]:
    """What two declarations of a field must agree on to share it."""
    return spec.constraint, spec.help, spec.unit, spec.kind


def _with(spec: FieldSpec) -> tuple[str, ...]:
    """The names with which a field exists."""
    assert spec.only_with is not None
    return spec.only_with[1]


def _add(kind: Kind, addition: Addition) -> None:
    declaration = addition.declaration
    kind.add(*addition)
    kind.added[declaration.name] = addition
    for leaf, given in declaration.fields.items():
        there = _declaration_of(kind, leaf)
        others = () if there is None else _with(there)
        exists = (kind.chosen_by, (*others, declaration.name))
        ADDED[kind.group][leaf] = replace(there or given.spec, only_with=exists)
    fields_changed()


def remove(kind: Kind, name: str) -> None:
    """Remove what a package or a program has added, and the fields that nothing else has."""
    addition = kind.added.pop(name, None)
    if addition is None:
        return
    kind.remove(name)
    fields = ADDED[kind.group]
    for leaf in addition.declaration.fields:
        rest = tuple(other for other in _with(fields[leaf]) if other != name)
        if rest and rest != _with(kind.ours.get(leaf, fields[leaf])):
            fields[leaf] = replace(fields[leaf], only_with=(kind.chosen_by, rest))
        else:
            del fields[leaf]
    fields_changed()


def node_of(kind: Kind, name: str) -> dict[str, Any]:
    """The values that `model=NAME` or `data=NAME` sets: each field of the node, None where it has none."""
    declaration = kind.added[name].declaration
    ours = [leaf for leaf, spec in kind.ours.items() if spec.scope == "identity"]
    node = dict.fromkeys((*ours, *ADDED[kind.group])) | kind.always
    return {**node, **{leaf: given.default for leaf, given in declaration.fields.items()}, "name": name}


def not_installed(values: Mapping[str, Any]) -> str | None:
    """The line about a model or data set that is not there; None if both are.

    Args:
      values: fields of a run, by dotted name.
    """
    for kind in KINDS:
        name = values.get(kind.chosen_by)
        if name is not None and name not in kind.names():
            return kind.missing(str(name))
    return None
