"""Conditions on a table of runs: `learning_rate < 1e-5 and validation/accuracy > 0.3`.

They are parsed as Python and worked out here, term by term: pandas' own `eval` runs any code it is given.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import pandas as pd

from swath.errors import SwathError

COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda column, values: column.isin(values),
    ast.NotIn: lambda column, values: ~column.isin(values),
}
ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
EXPECTED = "expected a condition such as 'learning_rate < 1e-5 and batch_size == 100'"


def matching(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The rows for which a condition holds.

    Args:
      frame: as from `frame_of`.
      condition: comparisons (`<`, `<=`, `>`, `>=`, `==`, `!=`, `in [...]`) of columns, numbers and quoted
        texts, joined by `and`, `or`, `not`, with `+`, `-`, `*`, `/`. Nothing is called.

    Raises:
      SwathError: it cannot be understood.
    """
    columns = [str(name) for name in frame.columns]
    try:
        plain = re.sub(r"`([^`]*)`", lambda found: found[1] if found[1] in columns else found[0], condition)
        tree = ast.parse(plain.strip(), mode="eval")
        held = _value(tree.body, frame)
        if not _is_condition(held):
            raise _NotUnderstoodError("it is no comparison of a column")
    except (_NotUnderstoodError, SyntaxError, TypeError, ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
        raise SwathError(
            f"--where {condition!r} cannot be understood ({reason}); {EXPECTED}, with columns "
            f"{', '.join(columns)}"
        ) from error
    return frame[held.to_numpy()]


class _NotUnderstoodError(Exception):
    """What stands in the condition and means nothing."""


def _value(node: ast.expr, frame: pd.DataFrame) -> Any:
    """What a part of a condition is for each run: a column of values or of truths, or one value."""
    name = ast.unparse(node).replace(" ", "")
    if name in frame.columns:  # `data.name` and `test/loss` are parsed as more than a name
        return frame[name]
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, frame) for part in parts]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return -_value(part, frame)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return ~_condition(part, frame)
        case ast.BoolOp(op=how, values=parts):
            held = [_condition(part, frame) for part in parts]
            return reduce(operator.and_ if isinstance(how, ast.And) else operator.or_, held)
        case ast.BinOp(left=left, op=how, right=right) if type(how) in ARITHMETIC:
            return ARITHMETIC[type(how)](_value(left, frame), _value(right, frame))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            held = [
                _compared(_value(one, frame), how, _value(other, frame))
                for one, how, other in zip(sides, ops, sides[1:], strict=False)
            ]
            return reduce(operator.and_, held)
    raise _NotUnderstoodError(f"{ast.unparse(node)} is no column")


def _condition(node: ast.expr, frame: pd.DataFrame) -> "pd.Series[bool]":
    held = _value(node, frame)
    if not _is_condition(held):
        raise _NotUnderstoodError(f"{ast.unparse(node)} is no comparison")
    return held


def _is_condition(held: object) -> bool:
    return isinstance(held, pd.Series) and pd.api.types.is_bool_dtype(held)


def _compared(one: Any, how: ast.cmpop, other: Any) -> Any:
    if type(how) not in COMPARISONS:
        raise _NotUnderstoodError("expected <, <=, >, >=, ==, != or in")
    if not isinstance(one, pd.Series) and isinstance(other, pd.Series):
        return _compared(other, _turned(how), one)
    if not isinstance(one, pd.Series):
        raise _NotUnderstoodError("one side of a comparison has to be a column")
    for value in other if isinstance(other, list) else [other]:
        if not isinstance(value, pd.Series):
            _check_kinds(one, value)
    if pd.api.types.is_datetime64_any_dtype(one) and isinstance(other, str):
        other = pd.Timestamp(other) if pd.Timestamp(other).tzinfo else pd.Timestamp(other, tz="UTC")
    held = COMPARISONS[type(how)](one, other)
    return held.fillna(False).astype(bool)


def _turned(how: ast.cmpop) -> ast.cmpop:
    """The comparison with its sides exchanged."""
    turned = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
    return turned.get(type(how), type(how))()


def _check_kinds(column: "pd.Series[Any]", value: object) -> None:
    """Refuse to compare numbers with texts, which would hold for nothing without a word."""
    if pd.api.types.is_numeric_dtype(column) and isinstance(value, str):
        raise _NotUnderstoodError(f"{column.name} is a number, {value!r} a text")
    if pd.api.types.is_object_dtype(column) and not isinstance(value, str):
        raise _NotUnderstoodError(f"{column.name} is a text; put {value} in quotes")
