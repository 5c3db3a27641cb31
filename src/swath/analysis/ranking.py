"""Which run is best: the one ranking for every place that ranks."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from swath.config import REPEATED_BY as REPEATED_BY
from swath.errors import SwathError
from swath.tracking import StoredRun, schema


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


def rank(
    runs: Sequence[Mapping[str, float]],
    metric: str | None = None,
    configurations: Sequence[Hashable] | None = None,
) -> Ranking:
    """Rank runs by accuracy on the validation images; on the test images only where there are no others.

    Where configurations are repeated, with several seeds, the mean over a configuration's runs decides, and
    a run's own value only among them: the best of many seeds says little of the next one. Ties are broken by
    the loss on the same images, then by the order in which the runs were asked for. A run without the
    metric, or with one that is not a number, comes last, and counts in no mean.

    Args:
      runs: the single-valued metrics of each run, by their MLflow names, in the order asked for.
      metric: to rank by another one.
      configurations: of each run, what is the same in its repetitions; None where nothing is repeated.
    """
    metric = metric or ranking_metric(runs)
    names = (metric, schema.loss_beside(metric))
    keys = [tuple(_badness(run, name) for name in names) for run in runs]
    repeated: dict[Hashable, list[int]] = {}
    for index in range(len(runs)):
        repeated.setdefault(index if configurations is None else configurations[index], []).append(index)
    best_first = sorted(
        repeated.values(),
        key=lambda members: (_missing_last(_means([keys[index] for index in members])), members[0]),
    )
    order = [
        index
        for members in best_first
        for index in sorted(members, key=lambda index: (_missing_last(keys[index]), index))
    ]
    return Ranking(metric, tuple(order))


def find_best(metrics: Sequence[Mapping[str, float]], params: Sequence[Mapping[str, str]]) -> tuple[int, str]:
    """The best of some finished runs.

    Args:
      metrics: of each run, at least one.
      params: of each run.

    Returns:
      Its index, and the metric that ranks.
    """
    ranking = rank(metrics, configurations=[configuration_of(values) for values in params])
    return ranking.order[0], ranking.metric


def ranking_metric(runs: Iterable[Mapping[str, float]]) -> str:
    """The metric that ranks runs where no other is asked for."""
    return (
        schema.VALIDATION_ACCURACY
        if any(schema.VALIDATION_ACCURACY in run for run in runs)
        else schema.TEST_ACCURACY
    )


def configuration_of(values: Mapping[str, object]) -> Hashable:
    """What is the same in all repetitions of a configuration: its fields without `REPEATED_BY`."""
    return tuple(sorted((name, str(value)) for name, value in values.items() if name not in REPEATED_BY))


def objective(metrics: Mapping[str, float]) -> float:
    """What a sweeper maximises: the metric that `rank` would rank this run by; nan where there is none."""
    return metrics.get(ranking_metric([metrics]), math.nan)


def _badness(metrics: Mapping[str, float], metric: str) -> float:
    """The larger, the worse; nan where the metric is missing or no number."""
    value = metrics.get(metric, math.nan)
    return -value if schema.larger_is_better(metric) else value


def _missing_last(key: Sequence[float]) -> tuple[tuple[bool, float], ...]:
    """A key to sort by, in which nan comes behind everything else."""
    return tuple((math.isnan(value), 0.0 if math.isnan(value) else value) for value in key)


def _means(keys: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each column, over what is a number; nan where nothing is."""
    columns = [[value for value in column if not math.isnan(value)] for column in zip(*keys, strict=True)]
    return [sum(column) / len(column) if column else math.nan for column in columns]


def rank_runs(runs: Sequence[StoredRun], metric: str | None = None) -> Ranking:
    """Rank runs; see `rank`."""
    return rank([run.metrics for run in runs], metric, [configuration_of(run.params) for run in runs])


def ordered(runs: Sequence[StoredRun], metric: str | None = None) -> list[StoredRun]:
    """Runs, best first."""
    return [runs[index] for index in rank_runs(runs, metric).order]


def latest(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Of runs with the same configuration and seed the one that says most: finished, then begun last.

    Several sweeps that are looked at as one may have repeated a run; it counts once.
    """
    kept: dict[Hashable, StoredRun] = {}
    for run in sorted(runs, key=lambda run: (run.status == "FINISHED", run.start_ms)):
        kept[tuple(sorted(run.params.items()))] = run
    return sorted(kept.values(), key=lambda run: (run.start_ms, run.run_id))


def metric_of(runs: Sequence[StoredRun], metric: str | None) -> str:
    """The metric that ranks these runs: the one that was asked for, else the ranking's own.

    Raises:
      SwathError: no run has the metric.
    """
    if metric is None:
        return ranking_metric(run.metrics for run in runs)
    if not any(metric in run.metrics for run in runs):
        known = sorted({name for run in runs for name in run.metrics})
        raise SwathError(f"--metric {metric}: no run has it; expected one of {', '.join(known)}")
    return metric
