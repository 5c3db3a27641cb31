"""Lines about mistakes in the names and values of fields: what was found, and what to write instead."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import ListConfig
from omegaconf.errors import OmegaConfBaseException

from swath.config.additions import KINDS
from swath.config.earlier_fields import removed_choice
from swath.config.overrides import NOT_EXPANDED, typed_value, unexpanded
from swath.config.schema import FIELDS

NODES = tuple(dict.fromkeys(name.rpartition(".")[0] for name in FIELDS if "." in name))
"""Fields that hold other fields, such as `tracking`."""

LIST_FIELDS = "; to list all fields, run: swath --help"

LIMITS = 'see "What swath does not do" in docs/limits.md'

_LAYERS = "a layer of dropout, and other activations, are for a model of your own"
_CPU = "the CPU only"

ABSENT_FIELDS = {
    **dict.fromkeys(("beta1", "beta2", "betas", "epsilon"), "Adam has the constants of Keras"),
    **dict.fromkeys(("activation", "dropout"), _LAYERS),
    **dict.fromkeys(("gpu", "gpus", "cuda", "accelerator"), _CPU),
}
"""Names that other programs have for what swath does not do, and what it does instead."""

OTHER_NAMES = {
    **dict.fromkeys(("optim", "opt"), "optimizer"),
    **{name: f"optimizer={name}" for name in ("sgd", "nesterov", "adam")},
    "momentum": "optimizer.momentum",
    "weight_decay": "l2",
    **dict.fromkeys(("scheduler", "lr_schedule", "lr_scheduler"), "schedule"),
    **dict.fromkeys(("arch", "architecture"), "model"),
    **dict.fromkeys(
        ("hidden", "hidden_size", "hidden_units", "hidden_layers", "layers", "num_layers", "units"),
        "model.hidden_units",
    ),
}
"""Names that other programs have for fields and choices of swath."""


def unknown_field(name: str, known: Iterable[str] = ()) -> str:
    """What to say of a name that is no field: a field with a similar name, or why there is none.

    Args:
      name: the dotted name.
      known: further names that are accepted in its place.
    """
    first, last = name.lower().partition(".")[0], name.lower().rpartition(".")[2].replace("_", "")
    if (absent := ABSENT_FIELDS.get(first, ABSENT_FIELDS.get(last))) is not None:
        return f"{absent}; {LIMITS}"
    if (other := OTHER_NAMES.get(first)) is not None:
        return f"unknown field {name}; did you mean {other}?"
    return f"unknown field {name}{suggestion(name, [*FIELDS, *known], LIST_FIELDS)}"


def suggestion(name: str, known: list[str], otherwise: str = "") -> str:
    """The name that was probably meant: one with these initials, or a similar one."""
    initials = [field for field in known if len(name) > 1 and name == "".join(w[0] for w in field.split("_"))]
    near = initials or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else otherwise


def value_mistakes(key: str, value: object, in_file: bool = False) -> Iterator[str]:
    """A line if a value is not allowed for its field.

    Args:
      key: the dotted name of the field.
      value: as typed.
      in_file: whether it is in a config file, where several values are written in another way.
    """
    spec = FIELDS[key]
    if isinstance(value, str) and "${" in value:
        return  # an interpolation; its value is checked after the config is composed
    if (removed := removed_choice(key, value)) is not None:
        yield removed
        return
    try:
        typed = typed_value(key, value)
    except OmegaConfBaseException:
        if in_file and isinstance(value, list | ListConfig):
            values = ",".join(map(str, value))
            yield f"{key}: a list; sweep it below hydra.sweeper.params: {key}: {values}"
        else:
            yield f"{key}={value}: expected {spec.expected}{_value_hint(key, value, in_file)}"
        return
    if (found := unexpanded(key, typed)) is not None:
        yield f"{key}={value}: {NOT_EXPANDED}; expected {found}"
    elif not spec.allows(typed):
        yield f"{key}={value}: {spec.refusal(typed)}"


def _value_hint(key: str, value: object, in_file: bool) -> str:
    """How a value is written that was typed in another way; empty if there is no hint."""
    if isinstance(value, list | ListConfig):
        values = ",".join(str(entry) for entry in value)
        return f"; to sweep several values, leave out brackets and blanks: -m {key}={values}"
    if isinstance(value, float) and FIELDS[key].kind is int and value.is_integer():
        return f"; did you mean {key}{': ' if in_file else '='}{int(value)}?"
    return ""


def group_mistake(group: str, value: Any, options: list[str]) -> str | None:
    """The line about the choice of a config that a group does not have; None if it has it."""
    if value in options:
        return None
    for kind in KINDS:
        if group == kind.group and value in kind.broken:
            return f"{group}={value}: {kind.broken[str(value)]}"
    line = f"{group}={value}: expected one of {', '.join(options)}"
    if f"{group}.dir" in FIELDS and ("/" in str(value) or str(value).startswith("~")):
        return f"{line}; the folder is {group}.dir={value}"
    return line + suggestion(str(value), options)
