"""`python -m support.arithmetic_digests CASES`: digests of trained lanes as JSON, for another set of kernels.

CASES is `BATCHES WIDTHS PREPROCESSING EVERY`, with commas: `7,100 1,24 mean_image 0`. The environment decides
which kernels oneDNN uses.
"""

import hashlib
import itertools
import json
import sys

from support.small import run_config
from support.training import TrainedLane, train_lanes

RATES = (1e-6, 3e-5, 5e-3, 1e-7)
"""Learning rates of the lanes, in turn: they converge, oscillate, diverge slowly, or hardly move."""

STEPS = 6

CHECKED = 4
"""Lanes of a group whose digests are printed: the first, and the last."""


def digests(batches: list[int], widths: list[int], preprocessing: str, every: int) -> dict[str, str]:
    """Digest of all results of the first and last lanes of each group, by `batch width rate`."""
    found = {}
    for batch_size, width in itertools.product(batches, widths):
        configs = [
            run_config(
                batch_size=batch_size,
                learning_rate=RATES[lane % len(RATES)] * (1 + lane // len(RATES)),
                max_steps=STEPS,
                preprocessing=preprocessing,
                evaluate_every_steps=every,
            )
            for lane in range(width)
        ]
        lanes = train_lanes(configs)
        for lane in sorted({*range(min(CHECKED, width)), width - 1}):
            found[f"{batch_size} {width} {lane}"] = _digest(lanes[lane])
    return found


def _digest(lane: TrainedLane) -> str:
    return hashlib.sha256(lane.to_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    numbers, widths, preprocessing, every = sys.argv[1:]
    batches = [int(batch) for batch in numbers.split(",")]
    print(
        json.dumps(digests(batches, [int(width) for width in widths.split(",")], preprocessing, int(every)))
    )
