"""How packages and programs declare the fields of what they add."""

from dataclasses import dataclass
from typing import Any

from swath.config.constraints import Constraint
from swath.config.fields import FieldSpec


@dataclass(frozen=True)
class OwnField:
    """A field of a model or data set, with its value where none is given.

    Attributes:
      spec: what the value may be; the same kind of declaration as of swath's own fields.
      default: the value with `model=NAME` or `data=NAME`.
    """

    spec: FieldSpec
    default: Any


def model_field(
    default: Any,
    constraint: Constraint,
    help: str,  # noqa: A002
    *,
    unit: str = "",
    tuned: bool = True,
    log_scale: bool = False,
) -> OwnField:
    """Declare a hyperparameter of a model of your own.

    All lanes of a group have one value of it, because it decides what the program computes.

    Args:
      default: the value where none is given; its type is that of the field: int, float, str or bool, or a
        list for `SizeList`.
      constraint: the allowed values: `Range`, `Choice`, `Flag` or `SizeList` of `swath.config`.
      help: one sentence.
      unit: of a number, in the plural.
      tuned: whether its best value is looked for among numbers.
      log_scale: whether values are compared by their ratio.

    Raises:
      TypeError: the default has another type.
      ValueError: the constraint does not allow the default.
    """
    number = type(default) in (int, float)
    details = {"tuned": tuned and number, "axis_order": 6, "log_scale": log_scale and number}
    return _declared(default, constraint, help, unit, shape=True, **details)


def data_field(default: Any, constraint: Constraint, help: str, *, unit: str = "") -> OwnField:  # noqa: A002
    """Declare a field of a data set of your own, such as a resolution or a selection of classes.

    Args:
      default: see `model_field`.
      constraint: see `model_field`.
      help: one sentence.
      unit: of a number, in the plural.

    Raises:
      TypeError: the default has another type.
      ValueError: the constraint does not allow the default.
    """
    return _declared(default, constraint, help, unit)


def _declared(default: Any, constraint: Constraint, sentence: str, unit: str, **details: Any) -> OwnField:
    kind = type(default)
    if kind not in (int, float, str, bool, list, tuple):
        raise TypeError(f"default {default!r}: expected an int, float, str, bool or list")
    value = constraint.canonical(default)
    if not constraint.allows(value):
        raise ValueError(f"default {default!r}: expected {constraint.expected(kind, unit)}")
    spec = FieldSpec(
        constraint,
        sentence,
        "identity",
        unit,
        shared_by="program",
        when_absent=None,
        kind=list if kind is tuple else kind,
        optional=True,
        **details,
    )
    return OwnField(spec, value)
