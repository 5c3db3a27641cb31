"""Proposals of a search without training: results come from a formula."""

import itertools
import json
import math
import sys
from collections.abc import Callable, Sequence

from support.small import run_config
from swath.config import TrainConfig
from swath.searching import Dimension, SearchPlan, Space, rungs_of, sampler_of
from swath.searching.proposing import Proposal, Proposer
from swath.searching.sampling import Told
from swath.searching.space import Point

Objective = Callable[[Point], float | None]

RATES = Dimension("learning_rate", 1e-8, 1e-2, log=True)
L2 = Dimension("l2", 0.0, 1.0)
SIZES = Dimension("batch_size", 16, 500, log=True, whole=True, splits=True)
PREPROCESSING = Dimension("preprocessing", choices=("mean_image", "standardize"), splits=True)

WIDE = Space((RATES, L2, SIZES, PREPROCESSING))
"""Every kind of dimension."""

CONDITIONAL = Space(
    (
        PREPROCESSING,
        Dimension("learning_rate", 1e-8, 1e-5, log=True, when=("preprocessing", ("mean_image",))),
        Dimension("learning_rate", 1e-5, 1e-1, log=True, when=("preprocessing", ("standardize",))),
        Dimension("l2", 0.0, 1.0, when=("preprocessing", ("standardize",))),
    )
)
"""Dimensions that exist with some values of another."""


def rate_and_size(point: Point) -> float:
    """An objective whose optimum is a rate of 1e-5 with batches of 64, without l2."""
    rate = math.log10(float(point["learning_rate"])) + 5
    size = math.log2(int(point.get("batch_size", "64")) / 64)
    return -(rate**2) - 0.1 * size**2 - float(point.get("l2", "0"))


def rate_of_each(point: Point) -> float:
    """An objective for `CONDITIONAL`: 1e-6 or 1e-3 is best, by preprocessing; standardize is better."""
    standardized = point["preprocessing"] == "standardize"
    rate = math.log10(float(point["learning_rate"])) + (3 if standardized else 6)
    return standardized - rate**2 - float(point.get("l2", "0"))


def plan_of(space: Space, rounds: Sequence[int], sampler: str = "tpe", seed: int = 0) -> SearchPlan:
    """A plan whose configurations have the values of a point."""

    def compose(point: Point) -> TrainConfig:
        kinds = {"learning_rate": float, "l2": float, "batch_size": int}
        return run_config(**{name: kinds.get(name, str)(text) for name, text in point.items()})

    trials, rungs = sum(rounds), rungs_of(100, None, 4, False)
    return SearchPlan(
        space, compose, lambda point: (), sampler, seed, trials, rounds[0], tuple(rounds), rungs
    )


def searched(plan: SearchPlan, objective: Objective) -> list[list[Point]]:
    """The points of each round; a round knows the results that it has in a search."""
    proposer = Proposer(plan, sampler_of(plan.sampler, plan.space, plan.seed))
    rounds: list[list[Proposal]] = []
    for number in range(len(plan.rounds)):
        known = itertools.chain(*rounds[: max(0, number - 1)])
        told = [Told(each.point, 0, objective(each.point)) for each in known]
        rounds.append(proposer.propose(number, told))
    return [[each.point for each in proposals] for proposals in rounds]


if __name__ == "__main__":
    found = [
        searched(plan_of(WIDE, (24, 24, 24, 24), seed=3), rate_and_size),
        searched(plan_of(CONDITIONAL, (24, 24, 24, 24), seed=3), rate_of_each),
    ]
    json.dump(found, sys.stdout)
