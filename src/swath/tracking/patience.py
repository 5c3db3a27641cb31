"""How long a store is waited for that others are writing."""

from typing import Any

import sqlalchemy

LOCKED_S = 120
"""Seconds to wait for an SQLite file that another program has locked; MLflow itself waits for 20."""

_STATEMENT = f"PRAGMA busy_timeout = {1000 * LOCKED_S}"


def wait_for_locks(engine: sqlalchemy.Engine) -> None:
    """Have every connection of an SQLite engine wait for `LOCKED_S`, whatever MLflow asks for."""
    if engine.dialect.name != "sqlite":
        return

    @sqlalchemy.event.listens_for(engine, "checkout")
    def wait(connection: Any, record: object, proxy: object) -> None:
        connection.execute(_STATEMENT)

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute", retval=True)
    def wait_longer(
        connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool
    ) -> tuple[str, Any]:
        waits = statement.startswith("PRAGMA busy_timeout")
        return (_STATEMENT if waits else statement), parameters
