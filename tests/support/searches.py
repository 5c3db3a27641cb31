"""What a search has stored."""

import sqlite3
from pathlib import Path
from typing import Any

DIGITS = ("data=digits", "data.validation_size=300")
"""Overrides of searches that take seconds."""


def trials_of(folder: Path) -> dict[int, dict[str, Any]]:
    """Tags and params of the trials of a store, by number."""
    found = {}
    with sqlite3.connect(folder / "mlflow.db") as store:
        of_trials = "select run_uuid from tags where key = 'swath.search.stage' and value = 'trial'"
        for (run_id,) in store.execute(of_trials).fetchall():
            entry: dict[str, Any] = {"run_id": run_id}
            for table in ("tags", "params"):
                entry |= dict(store.execute(f"select key, value from {table} where run_uuid = ?", (run_id,)))
            query = (
                "select step, value from metrics where run_uuid = ? and key = 'rung/accuracy' order by step"
            )
            entry["rungs"] = store.execute(query, (run_id,)).fetchall()
            found[int(entry["swath.search.trial"])] = entry
    return found


def decided(folder: Path) -> dict[int, tuple[Any, ...]]:
    """What a search proposed, decided and computed, by trial."""
    names = ("swath.search.point", "max_steps", "swath.search.why", "swath.bits", "rungs")
    return {number: tuple(entry[name] for name in names) for number, entry in trials_of(folder).items()}
