"""What mattered: how much of the variance of a metric each hyperparameter explains."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Effect:
    """What one hyperparameter does to a metric, averaged over all others.

    Attributes:
      name: of the hyperparameter.
      share: of the metric's variance over the grid, in 0..1.
      means: per value, in the order of the values, the mean of the metric.
    """

    name: str
    share: float
    means: dict[str, float]


def main_effects(grid: Mapping[str, Sequence[str]], values: Sequence[float]) -> list[Effect] | None:
    """The main effect of each hyperparameter, largest share first.

    On a full grid with as many runs in each cell the sums of squares of the main effects are orthogonal,
    so shares add up; what is left to 1 is how hyperparameters act together (Montgomery, *Design and
    Analysis of
    Experiments*, chapter 5).

    Args:
      grid: per hyperparameter the value in each run.
      values: the metric of each run.

    Returns:
      None where the runs are no full grid, a value is not finite, or the metric is the same everywhere.
    """
    grid = {name: column for name, column in grid.items() if len(set(column)) > 1}
    if not grid or not all(math.isfinite(value) for value in values):
        return None
    cells = list(zip(*grid.values(), strict=True))
    repeated = {cell: cells.count(cell) for cell in set(cells)}
    every = itertools.product(*(dict.fromkeys(column) for column in grid.values()))
    if any(cell not in repeated for cell in every) or len(set(repeated.values())) > 1:
        return None
    metric = np.asarray(values, np.float64)
    total = float(np.square(metric - metric.mean()).sum())
    if total == 0:
        return None
    effects = []
    for name, column in grid.items():
        levels = np.asarray(column)
        means = {value: float(metric[levels == value].mean()) for value in dict.fromkeys(column)}
        explained = sum(
            np.count_nonzero(levels == value) * (mean - metric.mean()) ** 2 for value, mean in means.items()
        )
        effects.append(Effect(name, float(explained) / total, means))
    return sorted(effects, key=lambda effect: -effect.share)


def effects_sentence(effects: Sequence[Effect], metric: str) -> str:
    """`learning_rate explains 91 % of the variance in validation/accuracy, batch_size 4 %; 5 % is ...`."""
    first, *others = effects
    parts = [f"{first.name} explains {first.share:.0%} of the variance in {metric}"]
    parts += [f"{effect.name} {effect.share:.0%}" for effect in others]
    sentence = ", ".join(parts)
    if len(effects) > 1:
        together = max(0.0, 1 - sum(effect.share for effect in effects))
        sentence += f"; how they act together, {together:.0%}"
    return sentence
