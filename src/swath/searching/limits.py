"""When a search begins nothing more: its clock, and its patience.

Neither changes what is proposed or promoted: a search that a limit has ended is the beginning of the same one
without it, and it can be resumed with a larger limit.
"""

from collections.abc import Callable, Sequence

from swath.analysis import CONFIDENCE, paired_p
from swath.execution import RunResult
from swath.searching.plan import SearchPlan


class Clock:
    """The time that a search has.

    Args:
      plan: the search.
      now: returns seconds since an arbitrary point in time.
      began: when the command began, on that clock.
    """

    def __init__(self, plan: SearchPlan, now: Callable[[], float], began: float) -> None:
        self._plan = plan
        self._now = now
        self._ends = None if plan.within_s is None else began + plan.within_s
        self._first: float | None = None

    def start(self) -> None:
        """Note that the training begins now."""
        if self._first is None:
            self._first = self._now()

    @property
    def left_s(self) -> float | None:
        """Seconds that are left, 0 or more; None without a limit."""
        return None if self._ends is None else max(0.0, self._ends - self._now())

    def allows(self, trained: int, begun: int, more: int) -> bool | None:
        """Whether there is time for more steps, at the speed so far.

        Args:
          trained: steps that this command has trained.
          begun: further steps of what has begun, and of the confirming runs.
          more: further steps in question.

        Returns:
          None if no speed is known yet.
        """
        if self._ends is None:
            return True
        if self._first is None or not trained:
            return None
        speed = trained / max(self._now() - self._first, 1e-3)
        return self._now() + (begun + more) / speed <= self._ends


def rounds_without_gain(
    rounds: Sequence[Sequence[tuple[float, RunResult | None]]], metric: str, maximize: bool
) -> int:
    """How many of the last rounds have brought no gain that is more than chance.

    A gain in accuracy is one if the paired test on the validation images says so (p < 0.05); without the
    images of both runs, and for a loss, any gain is one.

    Args:
      rounds: value and result of the trials that came to the last rung, by round.
      metric: the objective.
      maximize: whether larger values are better.
    """
    sign = 1.0 if maximize else -1.0
    best: tuple[float, RunResult | None] | None = None
    without = 0
    for trials in rounds:
        top = max(trials, key=lambda trial: sign * trial[0], default=None)
        if top is not None and (best is None or _is_gain(best, top, metric, sign)):
            best, without = top, 0
        else:
            without += 1
    return without


def _is_gain(
    best: tuple[float, RunResult | None], top: tuple[float, RunResult | None], metric: str, sign: float
) -> bool:
    if sign * top[0] <= sign * best[0]:
        return False
    masks = [None if result is None else result.correct_mask(metric) for _, result in (best, top)]
    first, second = masks
    if first is None or second is None or first.images != second.images:
        return True
    return paired_p(first.correct, second.correct) < 1 - CONFIDENCE
