"""Which configuration is best: the one ranking for every place that ranks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranking:
    """An order of runs.

    Attributes:
      metric: that decides: `validation/accuracy`, or `test/accuracy` where no run has validation images, or
        the one that was asked for.
      order: indices into the runs that were given, best first.
    """

    metric: str
    order: tuple[int, ...]


def rank(runs: Sequence[Mapping[str, float]], metric: str | None = None) -> Ranking:
    """Rank runs by accuracy on the validation images; on the test images only where there are no others.

    Ties are broken by the loss on the same images, then by the order in which the runs were asked for. A run
    without the metric, or with one that is not a number, comes last.

    Args:
      runs: the single-valued metrics of each run, by their MLflow names, in the order asked for.
      metric: to rank by another one.
    """
    if metric is None:
        validated = any("validation/accuracy" in run for run in runs)
        metric = "validation/accuracy" if validated else "test/accuracy"
    loss = metric.replace("/accuracy", "/loss")

    def key(index: int) -> tuple[float, float, int]:
        return _badness(runs[index], metric), _badness(runs[index], loss), index

    return Ranking(metric, tuple(sorted(range(len(runs)), key=key)))


def larger_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better: not of losses and seconds."""
    return not (metric.endswith("/loss") or metric.startswith("runtime/"))


def objective(metrics: Mapping[str, float]) -> float:
    """What a sweeper maximises: the metric that `rank` would rank this run by; nan where there is none."""
    return metrics.get(rank([metrics]).metric, math.nan)


def _badness(metrics: Mapping[str, float], metric: str) -> float:
    """The larger, the worse; a metric that is missing or no number is the worst."""
    value = metrics.get(metric, math.nan)
    if math.isnan(value):
        return math.inf
    return -value if larger_is_better(metric) else value
