"""Tables of a ranking for people: of runs or, with several seeds, of configurations."""

import math
from collections.abc import Sequence

from swath import analysis
from swath.cli.tables import DIGITS, RANK, RUN, Column, TableData, ranking_table, time_column
from swath.tracking import schema

TIE = "="
"""Marks entries that are not significantly different from the best."""

MARK = Column("", "tie")
P_VALUE = Column("p", optional=2)
INTERVAL = Column("95% interval", optional=5)


def ranking_rows(
    ranked: Sequence[analysis.RankedRun], swept: Sequence[str], metric: str, digits: int = DIGITS
) -> TableData:
    """A table with one row per run, in the given order.

    Args:
      ranked: the runs.
      swept: the fields that vary.
      metric: the metric that ranks.
      digits: decimals of metrics.
    """
    rows = [
        analysis.RankingRow(
            entry.place,
            entry.run.run_id,
            entry.run.status,
            {**entry.run.params, **_test_cells(entry), INTERVAL.name: _interval(entry, digits)},
            {**entry.run.metrics, metric: entry.value},
        )
        for entry in ranked
    ]
    others = [Column(name, optional=3 + place) for place, name in enumerate(_other_splits(metric))]
    columns = [*_first_columns(swept), Column(metric), INTERVAL, *_p_value(metric), *others]
    return ranking_table(rows, [*columns, time_column(1), RUN], digits).without_empty(keep=P_VALUE.name)


def configuration_rows(
    ranked: Sequence[analysis.RankedConfiguration], swept: Sequence[str], metric: str, digits: int = DIGITS
) -> TableData:
    """A table with one row per configuration, in the given order: mean ± standard deviation over seeds.

    The parameters are those of `ranking_rows`.
    """
    most = max((len(entry.configuration.by_seed) for entry in ranked), default=0)
    rows = []
    for entry in ranked:
        found = entry.configuration
        spreads = {name: _spread_text(spread, digits) for name, spread in found.spreads.items()}
        cells = {**_test_cells(entry), **spreads, "seeds": _seeds(found, metric, most)}
        rows.append(
            analysis.RankingRow(entry.place, "", "FINISHED", {**found.members[0].params, **cells}, {})
        )
    fields = [field for field in swept if field not in analysis.REPEATED_BY]
    columns = [*_first_columns(fields), Column("seeds"), Column(metric), *_p_value(metric)]
    for name, optional in zip(_other_splits(metric), (6, 4), strict=False):
        columns.append(Column(name, optional=optional))
    return ranking_table(rows, columns).without_empty(keep=P_VALUE.name)


def _first_columns(fields: Sequence[str]) -> list[Column]:
    return [RANK, MARK, *(Column(field) for field in fields)]


def _p_value(metric: str) -> list[Column]:
    """The column of p values: only accuracies are tested."""
    return [] if schema.split_of(metric) is None else [P_VALUE]


def _test_cells(entry: analysis.Ranked) -> dict[str, str]:
    """The mark and p value of an entry; empty for the best one, which the others are tested against."""
    if entry.p_vs_best is None or entry.place == 1:
        return {MARK.name: "", P_VALUE.name: ""}
    p_value = "<0.001" if entry.p_vs_best < 0.001 else f"{entry.p_vs_best:.3f}"
    return {MARK.name: TIE if entry.tied_with_best else "", P_VALUE.name: p_value}


def _interval(entry: analysis.RankedRun, digits: int) -> str:
    if entry.interval is None:
        return ""
    low, high = (f"{bound:.{max(1, digits - 1)}f}" for bound in entry.interval)
    return f"{low}-{high}"


def _seeds(found: analysis.Configuration, metric: str, most: int) -> str:
    """Number of seeds behind a mean, and of the most seeds of any configuration if that is more."""
    counted = found.spreads[metric].count if metric in found.spreads else 0
    return str(counted) if counted == most else f"{counted} of {most}"


def _spread_text(spread: analysis.Spread, digits: int) -> str:
    """Mean and sample standard deviation: `0.3914 ± 0.0021`; only the value if there is one."""
    mean = f"{spread.mean:.{digits}f}"
    return mean if math.isnan(spread.std) else f"{mean} ± {spread.std:.{digits}f}"


def _other_splits(metric: str) -> list[str]:
    return [name for name in (schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY) if name != metric]
