"""The one ranking, of runs that are stored."""

from collections.abc import Hashable, Iterable, Sequence

from swath.errors import SwathError
from swath.ranking import Ranking, configuration_of, rank, ranking_metric
from swath.reading.records import StoredRun


def rank_runs(runs: Sequence[StoredRun], metric: str | None = None) -> Ranking:
    """Rank runs; see `swath.ranking.rank`."""
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
