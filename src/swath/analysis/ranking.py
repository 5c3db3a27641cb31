"""Ranks runs, and provides the rows and sentences with which every command and file reports a ranking."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from swath.analysis.lines import unknown_name
from swath.config import FIELDS, with_meanings
from swath.config import REPEATED_BY as REPEATED_BY
from swath.errors import UsageError
from swath.tracking import StoredRun, schema

SHORT_ID = 8
"""Characters of a run id in a sentence; enough for every command that takes a run id."""

MAX_FAILURES = 20
"""Failures that are listed one by one."""


@dataclass(frozen=True)
class Ranking:
    """An order of runs.

    Attributes:
      metric: the metric that ranks: the requested one, else `validation/accuracy`, or `test/accuracy` if no
        run has validation images.
      order: indices into the ranked runs, best first.
    """

    metric: str
    order: tuple[int, ...]


def rank(
    runs: Sequence[Mapping[str, float]],
    metric: str | None = None,
    configurations: Sequence[Hashable] | None = None,
    confirming: Sequence[bool] = (),
) -> Ranking:
    """Rank runs by validation accuracy, or by test accuracy if no run has validation images.

    Configurations that were repeated with several seeds are ranked by the mean over their runs; a run's own
    value only orders the runs of one configuration. Ties are broken by the loss on the same images, then by
    the given order. Runs whose metric is missing or NaN come last and do not count in means. Configurations
    that a search has confirmed with other seeds come before those that it has not: the best of many trials
    with one seed is flattered.

    Args:
      runs: single-valued metrics of each run, by MLflow name.
      metric: another metric to rank by.
      configurations: a key per run that is equal for repetitions; None if nothing is repeated.
      confirming: whether each run confirms a finalist of a search; empty if none does.
    """
    metric = metric or ranking_metric(runs)
    names = (metric, schema.loss_beside(metric))
    keys = [tuple(_badness(run, name) for name in names) for run in runs]
    repeated: dict[Hashable, list[int]] = {}
    for index in range(len(runs)):
        repeated.setdefault(index if configurations is None else configurations[index], []).append(index)
    best_first = sorted(
        repeated.values(),
        key=lambda members: (
            not any(confirming[index] for index in members) if confirming else False,
            _missing_last(_means([keys[index] for index in members])),
            members[0],
        ),
    )
    order = [
        index
        for members in best_first
        for index in sorted(members, key=lambda index: (_missing_last(keys[index]), index))
    ]
    return Ranking(metric, tuple(order))


def find_best(
    metrics: Sequence[Mapping[str, float]], params: Sequence[Mapping[str, str]], metric: str | None = None
) -> tuple[int, str]:
    """Find the best of some finished runs.

    Args:
      metrics: metrics of each run; at least one run.
      params: configuration of each run.
      metric: the metric that ranks; None for that of `rank`.

    Returns:
      The index of the best run, and the metric that ranks.
    """
    ranking = rank(metrics, metric, [configuration_of(values) for values in params])
    return ranking.order[0], ranking.metric


def ranking_metric(runs: Iterable[Mapping[str, float]]) -> str:
    """The metric that ranks runs by default."""
    return (
        schema.VALIDATION_ACCURACY
        if any(schema.VALIDATION_ACCURACY in run for run in runs)
        else schema.TEST_ACCURACY
    )


def configuration_of(values: Mapping[str, object]) -> Hashable:
    """A key that all repetitions of a configuration share: its fields except `REPEATED_BY`."""
    complete = with_meanings(values)
    return tuple(sorted((name, str(value)) for name, value in complete.items() if name not in REPEATED_BY))


def repetition_of(values: Mapping[str, object]) -> str:
    """Which repetition of its configuration a run is: its values of `REPEATED_BY`, separated by spaces.

    A value that says what no value would mean is left out.
    """
    given = [(FIELDS[name].null_means, values[name]) for name in REPEATED_BY if name in values]
    return " ".join(str(value) for other, value in given if not other or value != values.get(other))


def objective(metrics: Mapping[str, float]) -> float:
    """The value that a sweeper maximizes: the metric that ranks this run; NaN if it has none."""
    return metrics.get(ranking_metric([metrics]), math.nan)


def _badness(metrics: Mapping[str, float], metric: str) -> float:
    """Larger is worse; NaN if the metric is missing or NaN."""
    value = metrics.get(metric, math.nan)
    return -value if schema.larger_is_better(metric) else value


def _missing_last(key: Sequence[float]) -> tuple[tuple[bool, float], ...]:
    """A sort key that puts NaN last."""
    return tuple((math.isnan(value), 0.0 if math.isnan(value) else value) for value in key)


def _means(keys: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each column without NaN; NaN for a column of NaN."""
    columns = [[value for value in column if not math.isnan(value)] for column in zip(*keys, strict=True)]
    return [mean_of(column) for column in columns]


def mean_of(values: Sequence[float]) -> float:
    """The mean, from the exact sum; of equal values exactly that value. NaN without values."""
    if not values or any(not math.isfinite(value) for value in values):
        return sum(values) / len(values) if values else math.nan
    if min(values) == max(values):
        return float(values[0])
    return math.fsum(values) / len(values)


def rank_runs(runs: Sequence[StoredRun], metric: str | None = None) -> Ranking:
    """Rank stored runs; see `rank`."""
    return rank(
        [run.metrics for run in runs],
        metric,
        [configuration_of(run.params) for run in runs],
        [run.tags.get(schema.SEARCH_STAGE) == schema.CONFIRM for run in runs],
    )


def ordered(runs: Sequence[StoredRun], metric: str | None = None) -> list[StoredRun]:
    """Stored runs, best first."""
    return [runs[index] for index in rank_runs(runs, metric).order]


def latest(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """One run per configuration and seed: a finished one if there is any, and the latest of those.

    Several sweeps that are compared as one may contain the same run; it counts once.
    """
    kept: dict[Hashable, StoredRun] = {}
    for run in sorted(runs, key=lambda run: (run.status == "FINISHED", run.start_ms)):
        kept[tuple(sorted(run.params.items()))] = run
    return sorted(kept.values(), key=lambda run: (run.start_ms, run.run_id))


def metric_of(runs: Sequence[StoredRun], metric: str | None) -> str:
    """The metric that ranks these runs: the requested one, else the default.

    Raises:
      UsageError: no run has the requested metric.
    """
    if metric is None:
        return ranking_metric(run.metrics for run in runs)
    if not any(metric in run.metrics for run in runs):
        known = metric_names(runs)
        raise UsageError(unknown_name(f"--metric {metric}: no run has it", metric, known))
    return metric


def metric_names(runs: Iterable[StoredRun]) -> list[str]:
    """The metrics that any of the runs has, accuracies first."""
    names = {name for run in runs for name in run.metrics}
    return sorted(names, key=lambda name: (schema.is_measured(name), not schema.is_accuracy(name), name))


@dataclass(frozen=True)
class RankingRow:
    """A run, or the mean of a configuration's runs, as a row of a ranking.

    Attributes:
      place: rank from 1 up; None for a run that is not ranked because it has not finished.
      run_id: MLflow's id; empty if it is unknown, or for a configuration.
      status: MLflow's status.
      values: the configuration by dotted name, and other texts by column.
      metrics: single values, by MLflow name.
    """

    place: int | None
    run_id: str
    status: str
    values: Mapping[str, object]
    metrics: Mapping[str, float]

    def cell(self, column: str) -> object:
        """The value in a column: `rank`, `run_id`, `status`, `seconds`, a field or a metric; else None."""
        match column:
            case "rank":
                return self.place
            case "run_id":
                return self.run_id
            case "status":
                return self.status
            case "seconds":
                seconds = (self.metrics.get(name, 0.0) for name in (schema.TRAIN_S, schema.EVALUATE_S))
                return f"{sum(seconds):.2f}"
        return self.values.get(column, self.metrics.get(column))


def criterion(metric: str, over_seeds: bool) -> str:
    """What a ranking ranks by: `validation/accuracy (mean over seeds)`."""
    return f"{metric} (mean over seeds)" if over_seeds else metric


def ranked_by(metric: str, over_seeds: bool, validated: bool) -> str:
    """The sentence that states how runs were ranked.

    Args:
      metric: the metric that ranks.
      over_seeds: whether configurations are ranked by their mean over seeds.
      validated: whether any run has validation images.
    """
    sentence = f"Ranked by {criterion(metric, over_seeds)}"
    if metric == schema.TEST_ACCURACY and not validated:
        sentence += "; no images held back, so the best score is optimistic"
    return f"{sentence}."


def failure_line(status: str, name: str, reason: str | None, run_id: str | None = None) -> str:
    """The line that reports a run, or several with the same reason, that did not finish."""
    where = f" (run {run_id[:SHORT_ID]})" if run_id else ""
    return f"{status} {name}: {reason or 'no reason was stored'}{where}"
