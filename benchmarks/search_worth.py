"""What a halved search finds, against all of its trials, random search and a grid; and its regret."""

import math
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import measure
from benchmarks.searching import BATCH_SIZES, RATES
from swath.searching import Dimension, Space, decide, rungs_of, sampler_of

TRIALS = 72
STEPS = 5_000
RUNGS = rungs_of(STEPS, None, 4, True, columns=10)
SEEDS = (0, 1, 2)
SIMULATED = range(20)

INTERVAL = "learning_rate=tag(log,interval(1e-8,1e-2))"
SIZES = f"batch_size={','.join(map(str, BATCH_SIZES))}"
GRID = ("batch_size=16,64,500", "learning_rate=1e-8,1e-7,1e-6,1e-5,1e-4,1e-3")
"""About as many image-steps as the halved search."""


HALVED = f"swath, {TRIALS} trials halved"
SAME_TRIALS = "the same trials, none stopped"
RANDOM = "random search, none stopped"
GRID_SIDE = "a grid of 18"

Worth = dict[str, Any]
"""`runs`: for each side, a list with `trials`, `image_steps`, `wall_s`, `cpu_s`, `validation`, `test` of each
repetition. `regret`: those of the simulated searches, by seed."""

_ENDS = """
select p1.value, p2.value, v.value, t.value from tags g
join params p1 on p1.run_uuid = g.run_uuid and p1.key = 'max_steps'
join params p2 on p2.run_uuid = g.run_uuid and p2.key = 'batch_size'
join latest_metrics v on v.run_uuid = g.run_uuid and v.key = 'validation/accuracy'
left join latest_metrics t on t.run_uuid = g.run_uuid and t.key = 'test/accuracy'
where g.key = 'swath.kind' and g.value = 'run'
"""

_CURVES = """
select b.value, r.value, m.step, m.value from metrics m
join params b on b.run_uuid = m.run_uuid and b.key = 'batch_size'
join params r on r.run_uuid = m.run_uuid and r.key = 'learning_rate'
where m.key = 'validation/accuracy'
"""


def search_worth(data: Path, print_line: Callable[[str], None]) -> Worth:
    """Measure each side in turn, each in a store of its own; then simulate searches on stored curves.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      print_line: prints a line of progress.
    """
    runs: dict[str, list[dict[str, float]]] = {}

    def run(side: str, *arguments: str) -> dict[str, float]:
        found = _run(data, arguments)
        runs.setdefault(side, []).append(found)
        print_line(f"  {side}: {found}")
        return found

    for seed in SEEDS:
        space = (INTERVAL, SIZES, f"search.seed={seed}", "search.confirm=0")
        halved = run(HALVED, *space, f"search.trials={TRIALS}")
        run(SAME_TRIALS, *space, f"search.trials={TRIALS}", "search.halving=false")
        # As many random trials as the halved search pays for, to the nearest number.
        trials = round(halved["image_steps"] / (STEPS * sum(BATCH_SIZES) / len(BATCH_SIZES)))
        random = ("search.sampler=random", "search.halving=false", f"search.round={trials}")
        run(RANDOM, *space, *random, f"search.trials={trials}")
    run(GRID_SIDE, *GRID)
    curves = _curves(data)
    regrets = [_simulated_regret(curves, seed) for seed in SIMULATED]
    print_line(f"  regrets on stored curves: {', '.join(f'{each:.4f}' for each in regrets)}")
    return {"runs": runs, "regret": regrets}


def _run(data: Path, arguments: Sequence[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        done = measure(_command(data, *arguments), folder, {"SWATH_POSTPROCESS": "off"})
        with sqlite3.connect(folder / "mlflow.db") as store:
            ends = store.execute(_ENDS).fetchall()
        full = [end for end in ends if int(end[0]) == STEPS]
        _, _, validation, test = max(full, key=lambda end: (end[2], end[3] or math.nan))
        return {
            "trials": len(ends),
            "image_steps": sum(int(steps) * int(size) for steps, size, _, _ in ends),
            "wall_s": done.wall_s,
            "cpu_s": done.cpu_s,
            "validation": validation,
            "test": test,
        }


def _command(data: Path, *arguments: str) -> list[str]:
    swath = str(Path(sys.executable).parent / "swath")
    return [swath, "-m", f"data.dir={data}", "data.validation_size=5000", f"max_steps={STEPS}", *arguments]


def _curves(data: Path) -> dict[str, dict[int, Any]]:
    """Validation accuracies of 72 runs that were trained to the end: by batch size and rung, one by rate."""
    rates = f"learning_rate={','.join(RATES)}"
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        measure(
            _command(data, SIZES, rates, f"evaluate_every_steps={RUNGS.steps[0]}"),
            folder,
            {"SWATH_POSTPROCESS": "off"},
        )
        with sqlite3.connect(folder / "mlflow.db") as store:
            points = store.execute(_CURVES).fetchall()
    found: dict[str, dict[int, dict[float, float]]] = {}
    for size, rate, step, value in points:
        if step in RUNGS.steps:
            found.setdefault(size, {}).setdefault(step, {})[float(rate)] = value
    return {
        size: {step: np.array(sorted(by_rate.items())) for step, by_rate in by_step.items()}
        for size, by_step in found.items()
    }


def _simulated_regret(curves: dict[str, dict[int, Any]], seed: int) -> float:
    """How much worse the winner of a halved search is than the best of its trials, trained to the end.

    Accuracies are interpolated linearly over the logarithm of the rate.
    """
    rate = Dimension("learning_rate", 1e-8, 1e-2, log=True)
    size = Dimension("batch_size", choices=tuple(curves), splits=True)
    candidates = sampler_of("qmc", Space((rate, size)), seed).candidates(0, ())
    points = [point for point, _ in zip(candidates, range(TRIALS), strict=False)]

    def value(trial: int, steps: int) -> float:
        known = curves[points[trial]["batch_size"]][steps]
        log_rate = math.log(float(points[trial]["learning_rate"]))
        return float(np.interp(log_rate, np.log(known[:, 0]), known[:, 1]))

    going = list(range(TRIALS))
    for steps, count in zip(RUNGS.steps[:-1], RUNGS.sizes(TRIALS)[1:], strict=True):
        values: dict[int, float | None] = {trial: value(trial, steps) for trial in going}
        groups = {trial: points[trial]["batch_size"] for trial in going}
        decisions = decide(values, count, True, groups, RUNGS.columns)
        going = [each.trial for each in decisions if each.goes_on]
    best = max(value(trial, STEPS) for trial in range(TRIALS))
    return best - max(value(trial, STEPS) for trial in going)
