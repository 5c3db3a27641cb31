"""Compares what a store holds of a sweep with what one process on SQLite stores: row by row, bit by bit."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy


@dataclass
class Run:
    """What a store holds of one configuration.

    Attributes:
      statuses: of its runs; there should be one.
      bits: their result digests.
      rows: how often each (metric, step) is stored.
      values: the value of each (metric, step).
    """

    statuses: list[str] = field(default_factory=list)
    bits: set[str | None] = field(default_factory=set)
    rows: "Counter[tuple[str, int]]" = field(default_factory=Counter)
    values: dict[tuple[str, int], object] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """What is wrong with a sweep.

    Attributes:
      lost: rows of steps that are not there.
      doubled: rows of steps that are there more than once.
      other_bits: configurations with another digest, or another value of any metric.
      others: everything else, in words.
    """

    lost: int = 0
    doubled: int = 0
    other_bits: int = 0
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.lost or self.doubled or self.other_bits or self.others)

    def __str__(self) -> str:
        """In words."""
        counts = f"{self.lost} lost steps, {self.doubled} doubled steps, {self.other_bits} other bits"
        return "; ".join((counts, *self.others))


def read_runs(uri: str) -> dict[str, Run]:
    """The runs of a store by fingerprint, and those of sweeps as `sweep`. Runtimes are left out."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    found: dict[str, Run] = {}
    with engine.connect() as connection:

        def ask(query: str) -> list[Any]:
            return list(connection.exec_driver_sql(query).all())

        tags: dict[str, dict[str, str]] = {}
        for run_id, key, value in ask("select run_uuid, key, value from tags"):
            tags.setdefault(run_id, {})[key] = value
        names = {}
        for run_id, status in ask("select run_uuid, status from runs where lifecycle_stage = 'active'"):
            name = tags[run_id].get("swath.fingerprint", "sweep")
            names[run_id] = name
            run = found.setdefault(name, Run())
            run.statuses.append(status)
            run.bits.add(tags[run_id].get("swath.bits"))
        rows = "select run_uuid, key, step, value from metrics where key not like '%%runtime/%%'"
        for run_id, key, step, value in ask(rows):
            if names.get(run_id, "sweep") != "sweep":
                run = found[names[run_id]]
                run.rows[key, step] += 1
                run.values[key, step] = value
    return found


def compare(found: dict[str, Run], expected: dict[str, Run]) -> Findings:
    """What differs from what is expected."""
    lost = doubled = other_bits = 0
    others = []
    for name in sorted({*found, *expected}):
        here, there = found.get(name, Run()), expected.get(name, Run())
        if here.statuses != there.statuses:
            others.append(f"{name[:12]} is {here.statuses}, expected {there.statuses}")
        lost += (there.rows - here.rows).total()
        doubled += (here.rows - there.rows).total()
        differs = any(value != there.values.get(row, value) for row, value in here.values.items())
        other_bits += bool(here.statuses) and (here.bits != there.bits or differs)
    return Findings(lost, doubled, other_bits, tuple(others))
