"""Filters a table of runs by a condition such as `learning_rate < 1e-5 and validation/accuracy > 0.3`."""

import ast
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

import pandas as pd

from swath.analysis.lines import COMMAND, LINE_LENGTH, unknown_name
from swath.errors import ConfigError, UsageError

OPERATORS: Mapping[type, str] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=", ast.NotEq: "<>"},
    **{ast.In: "IN", ast.NotIn: "NOT IN", ast.And: " AND ", ast.Or: " OR "},
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "* 1.0 /"},  # in SQL, 1 / 2 is 0
}

EXAMPLE = "learning_rate < 1e-5 and batch_size == 100"

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%f"
"""Times (UTC) as text that sorts as the times do."""

TIMEOUT_S = 10.0
"""Longest time that a condition may take to evaluate."""


def matching(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The rows for which a condition holds.

    SQLite evaluates the condition, with SQL's logic for missing values: where a run lacks a value, neither a
    comparison with that value nor its negation holds.

    Args:
      frame: a table of runs, as returned by `frame_of`.
      condition: comparisons (`<`, `<=`, `>`, `>=`, `==`, `!=`, `in [...]`) of columns, numbers and quoted
        texts, combined with `and`, `or`, `not`, `+`, `-`, `*`, `/`. There are no functions.

    Raises:
      UsageError: the condition is not valid.
    """
    columns = {f"column_{place}": str(name) for place, name in enumerate(frame.columns)}
    table = frame.set_axis(list(columns), axis=1)
    try:
        tree = ast.parse(_with_plain_names(condition.strip(), columns), mode="eval")
        values: list[object] = []
        sql = _sql(tree.body, table, values, "condition")
        return frame.iloc[_matching_rows(table, sql, values)]
    except _UnknownColumnError as error:
        raise UsageError(
            unknown_name(f"--where: no such column {error}", str(error), list(columns.values()))
        ) from error
    except (SyntaxError, ValueError, OverflowError, sqlite3.Error, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
        for plain, name in reversed(columns.items()):
            reason = reason.replace(plain, name)
        begin = f"--where {_short(condition, 27)!r} cannot be understood ("
        reason = _short(reason, LINE_LENGTH - COMMAND - len(begin) - 1)
        raise ConfigError([f"{begin}{reason})", f"expected a condition such as {EXAMPLE!r}"]) from error


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


class _UnknownColumnError(Exception):
    """A name in a condition that is no column."""


def _with_plain_names(condition: str, columns: Mapping[str, str]) -> str:
    """Replace column names by Python identifiers, which `test/loss` and `data.name` are not."""
    plain = {name: placeholder for placeholder, name in columns.items()}
    longest_first = "|".join(re.escape(name) for name in sorted(plain, key=len, reverse=True))
    text = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
    pattern = re.compile(rf"({text})|`({longest_first})`|(?<![\w.])({longest_first})(?![\w.])")
    return pattern.sub(lambda found: found[1] or plain[found[2] or found[3]], condition)


def _kind(node: ast.expr, table: pd.DataFrame) -> str:
    """What a part of a condition evaluates to: a number, text, time or condition."""
    match node:
        case ast.Name(id=name) if name in table:
            return _kind_of_column(table[name])
        case ast.Constant(value=str()):
            return "text"
        case ast.Constant(value=int() | float()) | ast.UnaryOp(op=ast.USub()) | ast.BinOp():
            return "number"
        case ast.UnaryOp(op=ast.Not()) | ast.BoolOp() | ast.Compare():
            return "condition"
        case ast.Name() | ast.Attribute(value=ast.Name()):
            raise _UnknownColumnError(ast.unparse(node))
    raise ValueError(f"{ast.unparse(node)} is not a column, a number or a quoted text")


def _sql(node: ast.expr, table: pd.DataFrame, values: list[object], kind: str) -> str:
    """Translate a part of a condition that must be of this kind; constants are appended to `values`.

    SQLite itself would compare anything with anything: every number is less than every text.
    """
    if kind == "time" and isinstance(node, ast.Constant) and isinstance(node.value, str):
        moment = pd.Timestamp(node.value)
        values.append((moment.tz_convert("UTC") if moment.tzinfo else moment).strftime(TIME_FORMAT))
        return "?"
    if _kind(node, table) != kind:
        raise ValueError(f"{ast.unparse(node)} is not a {kind}")
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value):
            values.append(value)
            return "?"
        case ast.UnaryOp(op=sign, operand=part):
            return f"({'NOT' if isinstance(sign, ast.Not) else '-'} {_sql(part, table, values, kind)})"
        case ast.BoolOp(op=operator, values=parts):
            return f"({OPERATORS[type(operator)].join(_sql(part, table, values, kind) for part in parts)})"
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            first, second = (_sql(part, table, values, kind) for part in (left, right))
            return f"({first} {OPERATORS[type(operator)]} {second})"
        case ast.Compare(left=left, ops=operators, comparators=others):
            pairs = zip(operators, pairwise([left, *others]), strict=True)
            compared = [_comparison(operator, *pair, table, values) for operator, pair in pairs]
            return f"({' AND '.join(compared)})"
    raise ValueError(f"{ast.unparse(node)} is not supported")


def _comparison(
    operator: ast.cmpop, left: ast.expr, right: ast.expr, table: pd.DataFrame, values: list[object]
) -> str:
    is_list = isinstance(operator, ast.In | ast.NotIn)
    if type(operator) not in OPERATORS or is_list != isinstance(right, ast.List | ast.Tuple):
        raise ValueError("expected <, <=, >, >=, ==, != or in [...]")
    others = right.elts if isinstance(right, ast.List | ast.Tuple) else [right]
    sides = [left, *others]
    if not any(isinstance(part, ast.Name) for side in sides for part in ast.walk(side)):
        raise ValueError(f"{ast.unparse(left)} is not compared with a column")
    kinds = [_kind(side, table) for side in sides]
    kind = "time" if "time" in kinds else kinds[0]
    if kind == "condition":
        raise ValueError(f"{ast.unparse(left)} is already a comparison")
    first, *rest = (_sql(side, table, values, kind) for side in sides)
    other = f"({', '.join(rest)})" if is_list else rest[0]
    return f"{first} {OPERATORS[type(operator)]} {other}"


def _kind_of_column(column: "pd.Series[Any]") -> str:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "time"
    return "number" if pd.api.types.is_numeric_dtype(column) else "text"


def _matching_rows(table: pd.DataFrame, condition: str, constants: Sequence[object] = ()) -> list[int]:
    """Evaluate SQL in a database that contains only the table; returns row numbers from 0 up."""
    columns = []
    for _, column in table.items():
        kind = _kind_of_column(column)
        texts = column.dt.strftime(TIME_FORMAT) if kind == "time" else column.map(str, na_action="ignore")
        values = (column if kind == "number" else texts).astype(object)
        columns.append(values.where(column.notna(), None).tolist())
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE runs ({', '.join(table.columns)})")
        marks = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO runs VALUES ({marks})", zip(*columns, strict=True))
        deadline = time.monotonic() + TIMEOUT_S
        database.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        database.set_authorizer(_authorize)
        found = database.execute(f"SELECT rowid FROM runs WHERE {condition} ORDER BY rowid", constants)
        return [row - 1 for (row,) in found]


def _authorize(action: int, name: str | None, *_: object) -> int:
    """Permit SQLite only to read the table of runs."""
    reads_runs = action == sqlite3.SQLITE_READ and name == "runs"
    return sqlite3.SQLITE_OK if reads_runs or action == sqlite3.SQLITE_SELECT else sqlite3.SQLITE_DENY
