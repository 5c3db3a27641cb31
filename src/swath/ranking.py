"""Which configuration is best: the one ranking for every place that ranks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranking:
    """An order of runs.

    Attributes:
      split: `validation`, or `test` where no run has validation images.
      order: indices into the runs that were given, best first.
    """

    split: str
    order: tuple[int, ...]

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return f"{self.split}/accuracy"


def rank(runs: Sequence[Mapping[str, float]]) -> Ranking:
    """Rank runs by accuracy on the validation images; on the test images only where there are no others.

    Ties are broken by the loss on the same images, then by the order in which the runs were asked for. A run
    without the metric, or with one that is not a number, comes last.

    Args:
      runs: the single-valued metrics of each run, by their MLflow names, in the order asked for.
    """
    split = "validation" if any("validation/accuracy" in run for run in runs) else "test"

    def key(index: int) -> tuple[float, float, int]:
        accuracy = runs[index].get(f"{split}/accuracy", math.nan)
        loss = runs[index].get(f"{split}/loss", math.nan)
        return (
            math.inf if math.isnan(accuracy) else -accuracy,
            math.inf if math.isnan(loss) else loss,
            index,
        )

    return Ranking(split, tuple(sorted(range(len(runs)), key=key)))


def objective(metrics: Mapping[str, float]) -> float:
    """What a sweeper maximises: the metric that `rank` would rank this run by; nan where there is none."""
    return metrics.get(rank([metrics]).metric, math.nan)
