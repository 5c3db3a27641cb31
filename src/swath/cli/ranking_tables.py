"""Tables of a ranking for people: of runs or, with several seeds, of configurations."""

from collections.abc import Sequence

from swath import analysis
from swath.analysis import DIGITS, INTERVAL_COLUMN, P_COLUMN, TIE_COLUMN
from swath.cli.tables import RANK, RUN, Column, TableData, time_column
from swath.tracking import schema

MARK = Column("", TIE_COLUMN)
P_VALUE = Column(P_COLUMN, optional=2)
INTERVAL = Column(INTERVAL_COLUMN, optional=5)


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
    others = [
        Column(name, optional=3 + place) for place, name in enumerate(analysis.other_accuracies(metric))
    ]
    columns = [*_first_columns(swept), Column(metric), INTERVAL, *_p_value(metric), *others]
    cells = [analysis.run_cells(entry, metric, digits) for entry in ranked]
    return _table(ranked, cells, [*columns, time_column(1), RUN])


def configuration_rows(
    ranked: Sequence[analysis.RankedConfiguration],
    swept: Sequence[str],
    metric: str,
    digits: int = DIGITS,
    also: Sequence[str] = (),
) -> TableData:
    """A table with one row per configuration, in the given order: mean ± standard deviation over seeds.

    Args:
      ranked: the configurations.
      swept: the fields that vary.
      metric: the metric that ranks.
      digits: decimals of metrics.
      also: further metrics.
    """
    fields = [field for field in swept if field not in analysis.REPEATED_BY]
    columns = [*_first_columns(fields), Column("seeds"), Column(metric), *_p_value(metric)]
    for name, optional in zip(analysis.other_accuracies(metric), (6, 4), strict=False):
        columns.append(Column(name, optional=optional))
    columns += [Column(name) for name in also if name not in [column.name for column in columns]]
    most = analysis.most_seeds(ranked)
    cells = [analysis.configuration_cells(entry, metric, most, digits) for entry in ranked]
    return _table(ranked, cells, columns)


def _table(
    ranked: Sequence[analysis.Ranked], cells: Sequence[analysis.Cells], columns: Sequence[Column]
) -> TableData:
    """The cells as a table, the best row highlighted."""
    cells = analysis.with_not_evaluated(cells, [schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY])
    rows = [[row.get(column.name, "") for column in columns] for row in cells]
    bold = [index for index, entry in enumerate(ranked) if entry.place == 1]
    return TableData(columns, rows, bold).without_empty(keep=P_VALUE.name)


def _first_columns(fields: Sequence[str]) -> list[Column]:
    return [RANK, MARK, *(Column(field) for field in fields)]


def _p_value(metric: str) -> list[Column]:
    """The column of p values: only accuracies are tested."""
    return [] if schema.split_of(metric) is None else [P_VALUE]
