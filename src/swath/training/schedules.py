"""Learning rates of all steps of a run, worked out in NumPy."""

import math

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig

STEP_FACTOR = 0.1
"""Factor of the learning rate at each of `STEP_PLACES`, as for residual networks (He et al. 2016)."""

STEP_PLACES = (0.5, 0.75)
"""Where `schedule=step` multiplies the rate by `STEP_FACTOR`, as parts of `schedule_steps`."""


def learning_rates(config: TrainConfig, first_step: int, steps: int) -> NDArray[np.float64]:
    """Learning rate of each step, float64 [steps].

    The first `warmup_steps` steps rise linearly: step s has (s + 1) / warmup_steps of the rate. After them,
    with T for `schedule_steps`, step s has

    - `constant`: the rate;
    - `cosine`: the rate times (1 + cos(pi * (s - warmup_steps) / (T - warmup_steps))) / 2, from 1 to 0
      (Loshchilov and Hutter 2017, without restarts), and 0 from step T on;
    - `step`: the rate times `STEP_FACTOR` for each of `STEP_PLACES` of T that it has reached.

    Args:
      config: of the run; `learning_rate`, `schedule`, `warmup_steps` and `schedule_steps` count.
      first_step: the first step.
      steps: number of steps.
    """
    places = range(first_step, first_step + steps)
    rate = float(np.float32(config.learning_rate))  # what the fingerprint counts
    return np.array([rate * _factor(config, step) for step in places], np.float64)


def _factor(config: TrainConfig, step: int) -> float:
    """Part of the learning rate at a step, in 0..1."""
    warmup, end = config.warmup_steps, config.schedule_steps or config.max_steps
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "cosine":
        # math.cos, because NumPy's cosine of a double differs between processors in its last bit.
        return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (step - warmup) / (end - warmup)))
    if config.schedule == "step":
        reached: int = sum(step >= place * end for place in STEP_PLACES)
        return STEP_FACTOR**reached
    return 1.0
