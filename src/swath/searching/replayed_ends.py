"""Compares how stored trials ended with what was decided of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swath.config import FIELDS, TrainConfig, at_steps, computed_values, fingerprint
from swath.searching.outcome import TrialState
from swath.sweeps import StoredTrial
from swath.tracking import StoredRun, schema


@dataclass(frozen=True)
class End:
    """What was decided of a trial that ends at a rung.

    Attributes:
      state: the trial, with its values.
      steps: those of the rung.
      why: why it ends there.
      tests: whether it is evaluated on the test images.
    """

    state: TrialState
    steps: int
    why: str
    tests: bool


def end_faults(found: StoredTrial, end: End, rungs: Sequence[int]) -> Iterator[str]:
    """What does not follow from the end of a trial, one line each.

    Args:
      found: the trial.
      end: what was decided of it.
      rungs: steps of the rungs.
    """
    run, name, config = found.run, f"trial {found.number}", end.state.proposal.config
    if end.state.last is None:
        yield from _failure_faults(run, name, config)
        return
    at = f"at {end.steps:,} steps"
    has_diverged = any(not math.isfinite(run.metrics.get(loss, 0.0)) for loss in LOSSES)
    status = "FAILED" if has_diverged else "FINISHED"
    if run.status != status:
        yield f"{name} is {run.status}, but its end {at} makes it {status}"
    yield from config_faults(run, name, config if has_diverged else at_steps(config, end.steps))
    if (why := run.tags.get(schema.SEARCH_WHY)) != end.why:
        yield f"{name} says {why!r}, but it is {end.why!r}"
    for metric, value in zip(schema.VALIDATION, found.at_rungs[end.steps], strict=True):
        if not _same(last := run.metrics.get(metric), value):
            yield f"{name} ended with {metric} {last}, but its value {at} is {value}"
    for step in found.at_rungs:
        if step > end.steps or step not in rungs:
            yield f"{name} has a value at {step:,} steps, but no rung is there that it came to"
    missing = [step for step in rungs if step <= end.steps and step not in found.at_rungs]
    for step in missing:
        yield f"{name} has no value at {step:,} steps, but it came to {end.steps:,}"
    if end.tests != (schema.TEST_ACCURACY in run.metrics):
        yield f"{name} {'was not' if end.tests else 'was'} evaluated on the test images, but it is decided so"


LOSSES = (schema.VALIDATION_LOSS, schema.TEST_LOSS)


def _failure_faults(run: StoredRun, name: str, config: TrainConfig) -> Iterator[str]:
    if run.status != "FAILED":
        yield f"{name} is {run.status}, but it has no value that can be compared"
    if schema.ERROR not in run.tags:
        yield f"{name} is FAILED, but it does not say why"
    yield from config_faults(run, name, config)


def config_faults(run: StoredRun, name: str, config: TrainConfig) -> Iterator[str]:
    """Params and fingerprint of a run that are not those of a configuration, one line each.

    Args:
      run: a trial, or a run that confirms one.
      name: of the run in the lines.
      config: what was decided.
    """
    expected = {field: str(value) for field, value in computed_values(config).items()}
    has_ended = schema.BITS in run.tags
    if not has_ended and schema.MAX_STEPS not in run.params:
        del expected[schema.MAX_STEPS]  # written at the end
    for param in {**expected, **{name: "" for name in run.params if name in FIELDS}}:
        if run.params.get(param) != expected.get(param):
            yield f"{name} has {param}={run.params.get(param)}, but {expected.get(param)} was decided"
    if has_ended and run.tags.get(schema.FINGERPRINT) != fingerprint(config):
        yield f"{name} has the fingerprint of another configuration than the one that was decided"


def _same(first: float | None, second: float) -> bool:
    return first == second or (first is not None and math.isnan(first) and math.isnan(second))
