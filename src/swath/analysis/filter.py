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


TURNED: Mapping[type, type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}
"""Comparisons with their sides exchanged."""


ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


TOO_MUCH = (ArithmeticError, MemoryError, RecursionError)


COLUMN = "column_"
"""Begins the names that columns have while a condition is parsed."""


EXPECTED = "expected a condition such as 'learning_rate < 1e-5 and batch_size == 100'"


def matching(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The rows for which a condition holds.

    Where a run lacks a value, no comparison with it holds, nor the opposite of one.

    Args:
      frame: as from `frame_of`.
      condition: comparisons (`<`, `<=`, `>`, `>=`, `==`, `!=`, `in [...]`) of columns, numbers and quoted
        texts, joined by `and`, `or`, `not`, with `+`, `-`, `*`, `/`. Nothing is called.

    Raises:
      SwathError: it cannot be understood.
    """
    columns = {f"{COLUMN}{place}": str(name) for place, name in enumerate(frame.columns)}
    try:
        tree = ast.parse(_with_plain_names(condition.strip(), columns), mode="eval")
        held = _value(tree.body, frame.rename(columns={name: plain for plain, name in columns.items()}))
        if not _is_condition(held):
            raise _NotUnderstoodError("it is no comparison of a column")
    except (_NotUnderstoodError, SyntaxError, TypeError, ValueError, *TOO_MUCH) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
        for plain, name in reversed(columns.items()):
            reason = reason.replace(plain, name)
        raise SwathError(
            f"--where {condition!r} cannot be understood ({reason}); {EXPECTED}, with columns "
            f"{', '.join(columns.values())}"
        ) from error
    return frame[held.fillna(False).to_numpy(bool)]


def _with_plain_names(condition: str, columns: Mapping[str, str]) -> str:
    """A condition in which every column has a name of Python's: `test/loss` and `data.name` are none."""
    plain = {name: placeholder for placeholder, name in columns.items()}
    longest_first = "|".join(re.escape(name) for name in sorted(plain, key=len, reverse=True))
    text = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
    pattern = re.compile(rf"({text})|`({longest_first})`|(?<![\w.])({longest_first})(?![\w.])")
    return pattern.sub(lambda found: found[1] or plain[found[2] or found[3]], condition)


class _NotUnderstoodError(Exception):
    """What stands in the condition and means nothing."""


def _value(node: ast.expr, frame: pd.DataFrame) -> Any:
    """What a part of a condition is for each run: a column of values or of truths, or one value."""
    match node:
        case ast.Name(id=name) if name in frame.columns:
            return frame[name]
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
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
            pairs = zip(sides, ops, others, strict=False)
            return reduce(operator.and_, [_compared(one, how, other, frame) for one, how, other in pairs])
    raise _NotUnderstoodError(f"{ast.unparse(node)} is no column")


def _condition(node: ast.expr, frame: pd.DataFrame) -> "pd.Series[bool]":
    held = _value(node, frame)
    if not _is_condition(held):
        raise _NotUnderstoodError(f"{ast.unparse(node)} is no comparison")
    return held


def _is_condition(held: object) -> bool:
    return isinstance(held, pd.Series) and pd.api.types.is_bool_dtype(held)


def _compared(left: ast.expr, how: ast.cmpop, right: ast.expr, frame: pd.DataFrame) -> "pd.Series[bool]":
    """For which runs a comparison holds; nothing where a run lacks one of the values."""
    one = _value(left, frame)
    if isinstance(how, ast.In | ast.NotIn):
        if not isinstance(right, ast.List | ast.Tuple):
            raise _NotUnderstoodError(f"expected a list behind in, not {ast.unparse(right)}")
        others = [_value(part, frame) for part in right.elts]
    else:
        others = [_value(right, frame)]
    if not isinstance(one, pd.Series) and isinstance(others[0], pd.Series) and type(how) in TURNED:
        one, others, how = others[0], [one], TURNED[type(how)]()
    if type(how) not in COMPARISONS:
        raise _NotUnderstoodError("expected <, <=, >, >=, ==, != or in")
    if not isinstance(one, pd.Series):
        raise _NotUnderstoodError(f"{ast.unparse(left)} is no column")
    others = [_of_kind(one, other) for other in others]
    held = COMPARISONS[type(how)](one, others if isinstance(how, ast.In | ast.NotIn) else others[0])
    lacking = reduce(operator.or_, [side.isna() for side in (one, *others) if isinstance(side, pd.Series)])
    return held.astype("boolean").mask(lacking)


def _of_kind(column: "pd.Series[Any]", value: Any) -> Any:
    """A value as the column can be compared with it; of a number and a text nothing would ever hold."""
    if isinstance(value, pd.Series):
        return value
    if pd.api.types.is_datetime64_any_dtype(column) and isinstance(value, str):
        return pd.Timestamp(value) if pd.Timestamp(value).tzinfo else pd.Timestamp(value, tz="UTC")
    if pd.api.types.is_numeric_dtype(column) and isinstance(value, str):
        raise _NotUnderstoodError(f"{column.name} is a number, {value!r} a text")
    if pd.api.types.is_object_dtype(column) and not isinstance(value, str):
        raise _NotUnderstoodError(f"{column.name} is a text; put {value} in quotes")
    return value
