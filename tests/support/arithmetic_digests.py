"""`python -m support.arithmetic_digests CASES`: digests of trained lanes as JSON, for another set of kernels.

CASES is JSON: a list of `{"batches": [7, 100], "widths": [1, 24], "fields": {"l2": 0.1}}`. The environment
decides which kernels oneDNN uses.
"""

import hashlib
import itertools
import json
import sys
from typing import Any

from support.small import run_config
from support.training import TrainedLane, train_lanes
from swath.config import ModelConfig, OptimizerConfig
from swath.config.constraints import Sizes

RATES = (1e-6, 3e-5, 5e-3, 1e-7)
"""Learning rates of the lanes, in turn: they converge, oscillate, diverge slowly, or hardly move."""

STEPS = 6

CHECKED = 4
"""Lanes of a group whose digests are printed: the first, and the last."""


def digests(batches: list[int], widths: list[int], fields: dict[str, Any]) -> dict[str, str]:
    """Digest of all results of the first and last lanes of each group, by `fields batch width lane`."""
    found = {}
    given = {**fields}
    if "model" in given:
        given["model"] = ModelConfig("mlp", Sizes(given["model"]))
    if "optimizer" in given:
        given["optimizer"] = OptimizerConfig(*given["optimizer"])
    for batch_size, width in itertools.product(batches, widths):
        configs = [
            run_config(
                **{
                    "batch_size": batch_size,
                    "learning_rate": RATES[lane % len(RATES)] * (1 + lane // len(RATES)),
                    "max_steps": STEPS,
                    **({"init_seed": lane} if "model" in given else {}),
                    **given,
                }
            )
            for lane in range(width)
        ]
        lanes = train_lanes(configs)
        for lane in sorted({*range(min(CHECKED, width)), width - 1}):
            name = " ".join(f"{field}={value}" for field, value in fields.items())
            found[f"{name}|{batch_size}|{width}|{lane}"] = _digest(lanes[lane])
    return found


def _digest(lane: TrainedLane) -> str:
    return hashlib.sha256(lane.to_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    results: dict[str, str] = {}
    for case in json.loads(sys.argv[1]):
        results |= digests(case["batches"], case["widths"], case["fields"])
    print(json.dumps(results))
