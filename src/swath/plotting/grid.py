"""The grid of a sweep, cut up for a picture: one field along the axis, one per line, the rest as panels."""

from collections.abc import Sequence
from dataclasses import dataclass

from swath.comparing.frame import typed
from swath.ranking import REPEATED_BY
from swath.reading.records import StoredRun

PREFERRED = ("learning_rate", "batch_size", "max_steps")
MOST_PANELS = 4


@dataclass(frozen=True)
class Layout:
    """Which field goes where.

    Attributes:
      along: the field on the horizontal axis.
      line: the field that has a line per value; None for one line.
      panel: the field that has a panel per value; None for one panel.
    """

    along: str
    line: str | None
    panel: str | None


def layout_of(swept: Sequence[str], runs: Sequence[StoredRun]) -> Layout | None:
    """How to draw a sweep; None where no field with numbers varies."""
    numeric = [
        field
        for field in swept
        if field not in REPEATED_BY
        and all(isinstance(typed(field, run.params[field]), int | float) for run in runs)
    ]
    fields = sorted(
        numeric, key=lambda field: PREFERRED.index(field) if field in PREFERRED else len(PREFERRED)
    )
    others = [field for field in swept if field not in fields and field not in REPEATED_BY]
    if not fields:
        return None
    rest = [*fields[1:], *others]
    panel = rest[1] if len(rest) > 1 and len(values_of(runs, rest[1])) <= MOST_PANELS else None
    return Layout(fields[0], rest[0] if rest else None, panel)


def values_of(runs: Sequence[StoredRun], field: str | None) -> list[object]:
    """The values of a field, ascending; one `None` for no field."""
    if field is None:
        return [None]
    return sorted({typed(field, run.params[field]) for run in runs})


def varying_params(runs: Sequence[StoredRun]) -> list[str]:
    """The params that are not the same in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.params)
    return [name for name in names if len({run.params.get(name) for run in runs}) > 1]


def chosen(runs: Sequence[StoredRun], field: str | None, value: object) -> list[StoredRun]:
    """The runs in which a field has a value; all for no field."""
    return [run for run in runs if field is None or typed(field, run.params[field]) == value]
