"""A sweep's runs ranked, each with how sure its accuracy is and whether it can be told from the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swath.comparing.evaluated import Answers, images_of
from swath.comparing.order import ordered
from swath.comparing.statistics import CONFIDENCE, paired_p, wilson_interval
from swath.reading.records import StoredRun


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Something at its place in a ranking.

    Attributes:
      place: from 1 up.
      p_best: p value of the paired test against the best; None where predictions are missing, or of other
        images.
    """

    place: int
    p_best: float | None

    @property
    def like_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_best is not None and self.p_best > 1 - CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class Judged(Placed):
    """A run at its place.

    Attributes:
      run: the run.
      value: the metric that ranks it.
      interval: the 95 % Wilson interval of an accuracy; None where the metric is none.
    """

    run: StoredRun
    value: float
    interval: tuple[float, float] | None


def judge(runs: Sequence[StoredRun], metric: str, answers: Mapping[str, Answers]) -> list[Judged]:
    """Finished runs, best first.

    Args:
      runs: at least one.
      metric: that ranks them.
      answers: of the runs, by their ids, as far as they are there.
    """
    best_first = ordered(runs, metric)
    best = answers.get(best_first[0].run_id)
    judged = []
    for place, run in enumerate(best_first, start=1):
        value = run.metrics.get(metric, math.nan)
        images = images_of(run, metric)
        interval = wilson_interval(value, images) if images and math.isfinite(value) else None
        p_best = _p_against(best, answers.get(run.run_id))
        judged.append(Judged(place=place, p_best=p_best, run=run, value=value, interval=interval))
    return judged


def _p_against(best: Answers | None, other: Answers | None) -> float | None:
    if best is None or other is None or best.images != other.images:
        return None
    return paired_p(best.correct, other.correct)
