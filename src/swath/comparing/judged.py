"""A sweep's runs ranked, each with how sure its accuracy is and whether it can be told from the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swath.comparing.evaluated import Answers, images_of
from swath.comparing.order import ordered
from swath.comparing.statistics import CONFIDENCE, paired_p, wilson_interval
from swath.reading.records import StoredRun


@dataclass(frozen=True)
class Judged:
    """A run at its place.

    Attributes:
      place: from 1 up.
      run: the run.
      value: the metric that ranks it.
      interval: the 95 % Wilson interval of an accuracy; None where the metric is none.
      p_best: McNemar's p value against the best; None where predictions are missing, or of other images.
    """

    place: int
    run: StoredRun
    value: float
    interval: tuple[float, float] | None
    p_best: float | None

    @property
    def like_best(self) -> bool:
        """Whether it cannot be told from the best at 95 %."""
        return self.p_best is not None and self.p_best > 1 - CONFIDENCE


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
        judged.append(Judged(place, run, value, interval, _p_against(best, answers.get(run.run_id))))
    return judged


def _p_against(best: Answers | None, other: Answers | None) -> float | None:
    if best is None or other is None or best.images != other.images:
        return None
    return paired_p(best.correct, other.correct)
