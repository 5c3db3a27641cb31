"""The results of a command, ranked from memory: they need not be read back from the store."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from swath import analysis
from swath.config import varying
from swath.execution import RunResult, SweepInfo


@dataclass(frozen=True)
class RankedResults:
    """Which of the results is best, and how sure that is.

    Attributes:
      swept: the fields that vary.
      metric: the metric that ranks; empty if no run finished.
      ranked: the finished runs, best first.
      groups: the configurations, best first; empty if none has several seeds.
      answer: the answer; None if no run finished.
    """

    swept: tuple[str, ...]
    metric: str = ""
    ranked: Sequence[analysis.RankedRun] = ()
    groups: Sequence[analysis.RankedConfiguration] = ()
    answer: analysis.Answer | None = None


def rank_results(sweep_info: SweepInfo, results: Sequence[RunResult]) -> RankedResults:
    """Rank the results that finished.

    Args:
      sweep_info: the sweep.
      results: flushed results.
    """
    swept = sweep_info.swept or grid_fields(results)
    finished = [result for result in results if result.status == "FINISHED"]
    if not finished:
        return RankedResults(swept)
    tried = [result.stored() for result in results]
    runs = [run for run in tried if run.status == "FINISHED"]
    metric = analysis.metric_of(runs, sweep_info.objective)
    masks = {
        run.run_id: mask
        for run, result in zip(runs, finished, strict=True)
        if (mask := result.correct_mask(metric)) is not None
    }
    ranked, groups = analysis.rank_sweep(runs, metric, masks)
    answer = analysis.answer_of(ranked, groups, tried, swept, metric, sweep_info.space)
    return RankedResults(swept, metric, ranked, groups, answer)


class Ranker:
    """Ranks results; the same ones once, since paired tests of thousands of runs take seconds."""

    def __init__(self) -> None:
        self._ranked: list[RunResult] = []
        self._by: SweepInfo | None = None
        self._found: RankedResults | None = None

    def rank(self, sweep_info: SweepInfo, results: Sequence[RunResult]) -> RankedResults:
        """See `rank_results`."""
        is_same = len(results) == len(self._ranked) and all(map(operator.is_, results, self._ranked))
        if self._found is None or not is_same or self._by != sweep_info:
            self._ranked, self._by = list(results), sweep_info
            self._found = rank_results(sweep_info, results)
        return self._found


def grid_fields(results: Sequence[RunResult]) -> tuple[str, ...]:
    """The fields that vary between results, by dotted name."""
    return varying([result.config for result in results]) if results else ()
