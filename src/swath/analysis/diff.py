"""Everything in which two runs differ, down to the last bit."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.analysis.divergence import Mismatch, compare_arrays, compare_series
from swath.tracking import PROVENANCE_TAGS, Curve, Reader, StoredRun, provenance_of, read_arrays, schema

LATEST = "the last "
"""Stands before the name of a metric whose last value MLflow keeps once more."""


LEARNED = ("weights", "biases", "shift", "scale")


@dataclass(frozen=True)
class RunValues:
    """What a run has computed.

    Attributes:
      params: the fields of the configuration, as text.
      facts: what it was made of and with, by tag; see `tracking.provenance`.
      ending: how it ended: its status, and why where it did not finish.
      curves: every metric that was computed, step by step; one with a single value is a short curve.
      arrays: weights, statistics of the pixels, predicted classes.
      every_steps: of how many steps one is stored.
    """

    params: dict[str, str]
    facts: dict[str, str]
    ending: str
    curves: dict[str, Curve]
    arrays: dict[str, NDArray[Any]]
    every_steps: int


def stored_values(reader: Reader, run: StoredRun) -> RunValues:
    """The numbers of a run in a store.

    MLflow keeps the last value of each metric once more, for its tables; it counts as well.

    Raises:
      SwathError: a finished run's files cannot be read.
    """
    names = [name for name in run.metrics if not schema.is_measured(name)]
    curves = {curve.metric: curve for curve in reader.curves([run.run_id], names)}
    for name in names:
        last = np.array([run.last_steps.get(name, 0)], np.int64), np.array([run.metrics[name]])
        curves[f"{LATEST}{name}"] = Curve(run.run_id, name, *last)
    arrays = {}
    if run.status == "FINISHED":
        arrays = named_arrays(
            read_arrays(run, schema.WEIGHTS_FILE), read_arrays(run, schema.PREDICTIONS_FILE)
        )
    kept = run.tags.get(schema.EVERY_STEPS, "1")
    every_steps = int(kept) if kept.isdecimal() else 1
    return RunValues(
        run.params, provenance_of(run.tags), ending(run.status, run.tags), curves, arrays, every_steps
    )


def named_arrays(
    learned: Mapping[str, NDArray[Any]], predicted: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The arrays of a finished run by what they are called in a difference."""
    found = {name: learned[name] for name in LEARNED if name in learned}
    for split in schema.SPLITS:
        found[f"predictions of {split} images"] = predicted[split]
        found[f"labels of {split} images"] = predicted[f"{split}_labels"]
    return found


def ending(status: str, tags: Mapping[str, str]) -> str:
    """How a run ended, in words."""
    return status if status == "FINISHED" else f"{status}: {tags.get(schema.ERROR, 'no reason was stored')}"


@dataclass(frozen=True)
class Difference:
    """Everything in which two runs differ; empty where they are the same.

    Attributes:
      params: fields of the configuration, by name: the value in each.
      facts: data, environment and source, by tag: the value in each.
      endings: how each ended, where they did not end the same way.
      every_steps: of how many steps each has stored one, where that is not the same; then they are compared
        at the steps that both have.
      numbers: metrics and arrays that are not the same to the bit.
    """

    params: dict[str, tuple[str | None, str | None]]
    facts: dict[str, tuple[str | None, str | None]]
    endings: tuple[str, str] | None
    every_steps: tuple[int, int] | None
    numbers: tuple[Mismatch, ...]

    @property
    def same_bits(self) -> bool:
        """Whether everything that was computed is the same."""
        return not self.numbers and self.endings is None


def difference(first: RunValues, second: RunValues) -> Difference:
    """What two runs differ in."""
    return Difference(
        _differing(first.params, second.params, {**first.params, **second.params}),
        _differing(first.facts, second.facts, PROVENANCE_TAGS),
        None if first.ending == second.ending else (first.ending, second.ending),
        None if first.every_steps == second.every_steps else (first.every_steps, second.every_steps),
        tuple(_mismatches(first, second)),
    )


def _mismatches(first: RunValues, second: RunValues) -> Iterator[Mismatch]:
    for name in {**first.curves, **second.curves}:
        pair = [numbers.curves.get(name) for numbers in (first, second)]
        if first.every_steps != second.every_steps:
            pair = _where_both_are_due(name, pair, math.lcm(first.every_steps, second.every_steps))
        if (parting := compare_series(name, *pair)) is not None:
            yield parting
    for name in {**first.arrays, **second.arrays}:
        if (parting := compare_arrays(name, first.arrays.get(name), second.arrays.get(name))) is not None:
            yield parting


def _where_both_are_due(name: str, curves: Sequence[Curve | None], every_steps: int) -> list[Curve | None]:
    """Two series of a metric of every step, at the steps that both were to store: each Nth, and the last."""
    if not schema.is_per_step(name):
        return list(curves)
    last = max((int(curve.steps.max(initial=0)) for curve in curves if curve is not None), default=0)
    thinned: list[Curve | None] = []
    for curve in curves:
        if curve is not None:
            due = (curve.steps % every_steps == 0) | (curve.steps == last)
            curve = replace(curve, steps=curve.steps[due], values=curve.values[due])
        thinned.append(curve)
    return thinned


def diff_lines(found: Difference) -> Iterator[str]:
    """A difference as lines to read."""
    for name, (first, second) in found.params.items():
        yield f"config: {name}: {_shown(first)} | {_shown(second)}"
    for name, (first, second) in found.facts.items():
        yield f"environment: {PROVENANCE_TAGS[name]}: {_shown(first)} | {_shown(second)}"
    if found.endings is not None:
        yield f"end: {found.endings[0]} | {found.endings[1]}"
    if found.every_steps is not None:
        yield f"stored: every {found.every_steps[0]} steps | every {found.every_steps[1]} steps"
    parted = {parting.name for parting in found.numbers}
    for parting in found.numbers:
        if parting.name.removeprefix(LATEST) not in parted - {parting.name}:
            yield f"numbers: {mismatch_text(parting)}"
    if found.same_bits:
        yield "numbers: identical, bit for bit"


def mismatch_text(parting: Mismatch) -> str:
    """Where and how far two series or arrays part."""
    if parting.differing is not None:
        return f"{parting.name}: {parting.differing} differ"
    far = ""
    if parting.largest_ulps is not None:
        far = f"largest difference {parting.largest_ulps:,} units in the last place"
        if parting.largest_relative is not None:
            far += f", {parting.largest_relative:.2g} relative"
    if parting.step is None:
        return f"{parting.name}: {far or 'only one run has them, or their shapes differ'}"
    values = f"{_shown(parting.first)} | {_shown(parting.second)}"
    return f"{parting.name}: differs from step {parting.step} on ({values}){'; ' if far else ''}{far}"


def _shown(value: object) -> str:
    return "(none)" if value is None else str(value)


def _differing(
    first: Mapping[str, str], second: Mapping[str, str], names: Iterable[str]
) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    }
