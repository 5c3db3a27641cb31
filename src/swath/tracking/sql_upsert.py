"""Rows that are inserted, or that replace those of the same key, at the same moment as another command's."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, TableClause

DIRECT = ("sqlite", "postgresql")
"""Kinds of databases that can do so in one statement."""


def upsert(
    connection: Connection, table: TableClause, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows; those whose key is there replace the row.

    To delete a row first and then insert it fails if another transaction does the same: its row is not seen.

    Args:
      connection: in a transaction.
      table: where to.
      keys: columns of the table's key.
      rows: all with the same columns; each key once.
    """
    if not rows:
        return
    # Two transactions that lock rows in the same order do not wait for each other in a circle.
    ordered = sorted((dict(row) for row in rows), key=lambda row: [str(row[key]) for key in keys])
    if connection.dialect.name in DIRECT:
        new = _insert(connection, table)
        others = {name: new.excluded[name] for name in ordered[0] if name not in keys}
        columns = [table.c[key] for key in keys]
        connection.execute(new.on_conflict_do_update(index_elements=columns, set_=others), ordered)
        return
    for row in ordered:
        here = sqlalchemy.and_(*(table.c[key] == row[key] for key in keys))
        if connection.execute(table.update().where(here).values(row)).rowcount == 0:
            connection.execute(table.insert().values(row))


def insert_new(connection: Connection, table: TableClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of which some may be there already, into a database of `DIRECT`; those stay as they are."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), [dict(row) for row in rows])


def _insert(connection: Connection, table: TableClause) -> Any:
    # Each of these packages imports all drivers of its database.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
