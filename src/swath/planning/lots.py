"""Divides the lane groups of a sweep into lots, each of which a worker trains by itself."""

import heapq
import math
from collections.abc import Sequence

from swath.planning.cost import Images, training_s
from swath.planning.lane_groups import LaneGroup

LOT_S = 450.0
"""Seconds of one processor that a lot takes: starting a worker takes 5 to 15 s, and a node that dies loses at
most this much."""

MOST_LOTS = 10_000
"""Most lots of a sweep: each has a tag on its summary run, and Slurm has a job for each."""


def divide(groups: Sequence[LaneGroup], workers: int, cpus: int, images: Images) -> list[list[LaneGroup]]:
    """The lane groups of each lot, balanced by time.

    A short sweep has a lot for each worker; a long one has lots of some `LOT_S` seconds, so that workers that
    are slow or late take fewer of them. Groups that share a program stay together where that costs no time.

    Args:
      groups: planned for `workers` times `cpus` processors.
      workers: at a time.
      cpus: processors of each worker.
      images: sizes of the images.

    Returns:
      The lots, the longest first; none is empty.
    """
    costs = [training_s(group, images) for group in groups]
    wanted = math.ceil(sum(costs) / (LOT_S * cpus) / workers) * workers
    count = max(1, min(max(workers, wanted), MOST_LOTS, len(groups)))
    lots: list[list[LaneGroup]] = [[] for _ in range(count)]
    free = [(0.0, number) for number in range(count)]
    for cost, _, group in sorted(
        ((cost, number, group) for number, (cost, group) in enumerate(zip(costs, groups, strict=True))),
        key=lambda each: (-each[0], each[1]),
    ):
        taken, number = heapq.heappop(free)
        lots[number].append(group)
        heapq.heappush(free, (taken + cost, number))
    by_cost = {number: taken for taken, number in free}
    return [lots[number] for number in sorted(by_cost, key=lambda number: (-by_cost[number], number))]
