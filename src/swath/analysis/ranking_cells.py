"""The texts of a ranking for people: cells that tables, reports and notebooks share."""

import math
from collections.abc import Sequence

from swath.analysis.ranking import REPEATED_BY, SHORT_ID
from swath.analysis.significance import Ranked, RankedConfiguration, RankedRun
from swath.analysis.sweeps import Spread
from swath.system import readable_number
from swath.tracking import schema

DIGITS = 4
"""Decimals of metrics for people."""

TIE = "="
"""Marks entries that are not significantly different from the best."""

NOT_EVALUATED = "-"
"""Stands for an accuracy that other rows have, and that was not evaluated here."""

TIE_COLUMN, P_COLUMN, INTERVAL_COLUMN = "tie", "p", "95% interval"

Cells = dict[str, str]
"""The texts of a row, by the name of the column: a field, a metric, or one of the names above."""


def number_text(value: float | None, digits: int = DIGITS) -> str:
    """A metric; empty if it is missing."""
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def spread_text(spread: Spread | None, digits: int = DIGITS) -> str:
    """Mean and sample standard deviation: `0.3914 ± 0.0021`; only the value if there is one."""
    if spread is None:
        return ""
    mean = f"{spread.mean:.{digits}f}"
    return mean if math.isnan(spread.std) else f"{mean} ± {spread.std:.{digits}f}"


def p_text(entry: Ranked) -> str:
    """The p value of an entry; empty for the best one, which the others are tested against."""
    if entry.place == 1 or entry.p_vs_best is None:
        return ""
    return "<0.001" if entry.p_vs_best < 0.001 else f"{entry.p_vs_best:.3f}"


def _test_cells(entry: Ranked) -> Cells:
    tied = entry.place > 1 and entry.tied_with_best
    return {"rank": str(entry.place), TIE_COLUMN: TIE if tied else "", P_COLUMN: p_text(entry)}


def run_cells(entry: RankedRun, metric: str, digits: int = DIGITS) -> Cells:
    """The cells of a run.

    Args:
      entry: the run.
      metric: the metric that ranks.
      digits: decimals of metrics.
    """
    run = entry.run
    interval = ""
    if entry.interval is not None:
        interval = "-".join(f"{bound:.{max(1, digits - 1)}f}" for bound in entry.interval)
    seconds = sum(run.metrics.get(name, 0.0) for name in (schema.TRAIN_S, schema.EVALUATE_S))
    return {
        **{name: number_text(value, digits) for name, value in run.metrics.items()},
        metric: number_text(entry.value, digits),
        **{name: readable_number(text) for name, text in run.params.items()},
        **_test_cells(entry),
        INTERVAL_COLUMN: interval,
        "seconds": f"{seconds:.2f}",
        "run_id": run.run_id,
    }


def configuration_cells(entry: RankedConfiguration, metric: str, most: int, digits: int = DIGITS) -> Cells:
    """The cells of a configuration: the mean ± standard deviation of each metric over its seeds.

    Args:
      entry: the configuration.
      metric: the metric that ranks.
      most: number of seeds of the configuration with most of them.
      digits: decimals of metrics.
    """
    found = entry.configuration
    counted = found.spreads[metric].count if metric in found.spreads else 0
    return {
        **{name: spread_text(spread, digits) for name, spread in found.spreads.items()},
        **{name: readable_number(text) for name, text in found.members[0].params.items()},
        **_test_cells(entry),
        "seeds": str(counted) if counted == most else f"{counted} of {most}",
    }


def most_seeds(groups: Sequence[RankedConfiguration]) -> int:
    """Number of seeds of the configuration with most of them."""
    return max((len(entry.configuration.by_seed) for entry in groups), default=0)


def other_accuracies(metric: str) -> list[str]:
    """The accuracies beside the metric that ranks."""
    return [name for name in (schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY) if name != metric]


def with_not_evaluated(cells: Sequence[Cells], metrics: Sequence[str]) -> list[Cells]:
    """Rows in which a missing metric that other rows have is marked as not evaluated."""
    some = [name for name in metrics if any(row.get(name) for row in cells)]
    return [{**row, **{name: row.get(name) or NOT_EVALUATED for name in some}} for row in cells]


def ranking_page(
    ranked: Sequence[RankedRun],
    groups: Sequence[RankedConfiguration],
    swept: Sequence[str],
    metric: str,
    most_rows: int,
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a ranking on a page: configurations if any has several seeds, else runs.

    Args:
      ranked: the runs, best first.
      groups: the configurations, best first; empty if none has several seeds.
      swept: the fields that vary.
      metric: the metric that ranks.
      most_rows: most rows.
    """
    others = other_accuracies(metric)
    if groups:
        most = most_seeds(groups)
        fields = [field for field in swept if field not in REPEATED_BY]
        columns = ["rank", metric, *fields, *others, "seeds", P_COLUMN, TIE_COLUMN]
        cells = [configuration_cells(entry, metric, most) for entry in groups[:most_rows]]
    else:
        columns = ["rank", metric, *swept, INTERVAL_COLUMN, *others, P_COLUMN, TIE_COLUMN, "run"]
        cells = [run_cells(entry, metric) for entry in ranked[:most_rows]]
        cells = [{**row, "run": row["run_id"][:SHORT_ID]} for row in cells]
    cells = with_not_evaluated(cells, others)
    return columns, [[row.get(column, "") for column in columns] for row in cells]
