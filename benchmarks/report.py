"""The measurements as a page: medians, ratios of medians, and how they were taken."""

import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import archspec.cpu
import psutil

from benchmarks.processes import EMPTY, TUTORIAL, WITH_STORE, Measured
from benchmarks.steps import BATCH_SIZE, LIMIT, LIMIT_PREPARED, STEP, STEPS

PAGE = """\
# Benchmarks

Written by `make benchmark`. Both sides of every comparison are measured in one command, taking turns; the
figures are medians. Machines differ and are noisy, so the ratios matter, not the seconds.

{machine}

## The article's run, as a whole process

batch_size 100, learning_rate 0.005, 1,000 steps, all 50,000 CIFAR-10 images, evaluated on the 10,000 test
images; {process_repeats} repeats. The tutorial's way is a TensorFlow 1 graph that is fed one NumPy batch
per step ([contenders/tutorial.py](../benchmarks/contenders/tutorial.py)); it reads the pickles and tracks
nothing. swath finds its cache of the images, stores 2,000 metric values and seven artifacts in MLflow, and
in the empty folder makes the store first.

| | median (s) | all (s) | of the tutorial's | target |
|---|---:|---|---:|---:|
| {tutorial} | {tutorial_s:.2f} | {tutorial_all} | 1 | |
| {with_store} | {with_store_s:.2f} | {with_store_all} | {with_store_ratio:.2f} | 0.60 |
| {empty} | {empty_s:.2f} | {empty_all} | {empty_ratio:.2f} | 0.75 |

Peak resident memory:

| | the process | with its children | target |
|---|---:|---:|---:|
| {tutorial} | {tutorial_gb:.2f} GB | {tutorial_family_gb:.2f} GB | |
| swath | {swath_gb:.2f} GB | {swath_family_gb:.2f} GB | 1.5 GB |

swath's child is the tracking process; memory that the two share, such as Python itself, is counted twice.

## One training step

Batches of {batch_size} images, one lane, {steps} steps per measurement, {step_repeats} repeats. The limit
is a loop of the same kind with the step's two matrix products and its gather in it, and nothing else: no
mean image, bias, softmax, loss, accuracy or metrics.

| | median (ms) | step / this | target |
|---|---:|---:|---:|
| {step} | {step_ms:.3f} | 1 | |
| {limit_prepared} | {prepared_ms:.3f} | {prepared_ratio:.2f} | 1.25 |
| {limit} | {limit_ms:.3f} | {limit_ratio:.2f} | |
"""


def report(steps: Mapping[str, Sequence[float]], processes: Mapping[str, Sequence[Measured]]) -> str:
    """The page docs/benchmarks.md.

    Args:
      steps: milliseconds per side of `benchmarks.steps`.
      processes: measurements per side of `benchmarks.processes`.
    """
    step_ms = {name: statistics.median(times) for name, times in steps.items()}
    wall_s = {name: statistics.median(run.wall_s for run in runs) for name, runs in processes.items()}
    swath = [*processes[WITH_STORE], *processes[EMPTY]]
    tutorial = processes[TUTORIAL]
    return PAGE.format(
        tutorial=TUTORIAL,
        with_store=WITH_STORE,
        empty=EMPTY,
        step=STEP,
        limit=LIMIT,
        limit_prepared=LIMIT_PREPARED,
        batch_size=BATCH_SIZE,
        steps=STEPS,
        machine=_machine(),
        process_repeats=len(tutorial),
        step_repeats=len(steps[STEP]),
        tutorial_s=wall_s[TUTORIAL],
        with_store_s=wall_s[WITH_STORE],
        empty_s=wall_s[EMPTY],
        with_store_ratio=wall_s[WITH_STORE] / wall_s[TUTORIAL],
        empty_ratio=wall_s[EMPTY] / wall_s[TUTORIAL],
        tutorial_all=_all(tutorial),
        with_store_all=_all(processes[WITH_STORE]),
        empty_all=_all(processes[EMPTY]),
        tutorial_gb=max(run.peak_bytes for run in tutorial) / 1e9,
        tutorial_family_gb=max(run.family_peak_bytes for run in tutorial) / 1e9,
        swath_gb=max(run.peak_bytes for run in swath) / 1e9,
        swath_family_gb=max(run.family_peak_bytes for run in swath) / 1e9,
        step_ms=step_ms[STEP],
        prepared_ms=step_ms[LIMIT_PREPARED],
        limit_ms=step_ms[LIMIT],
        prepared_ratio=step_ms[STEP] / step_ms[LIMIT_PREPARED],
        limit_ratio=step_ms[STEP] / step_ms[LIMIT],
    )


def _all(runs: Sequence[Measured]) -> str:
    return ", ".join(f"{run.wall_s:.1f}" for run in runs)


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "numpy", "mlflow"))
    return (
        f"Measured on {psutil.cpu_count()} cores of an {archspec.cpu.brand_string()}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}."
    )
