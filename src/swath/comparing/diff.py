"""What two runs differ in, down to the last bit."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from swath.comparing.numbers import LAST, PER_STEP, RunNumbers
from swath.comparing.partings import Parting, array_parting, series_parting
from swath.errors import SwathError
from swath.facts import FACTS
from swath.reading.records import Curve, StoredRun
from swath.reading.store import Reader


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
    numbers: tuple[Parting, ...]

    @property
    def same_bits(self) -> bool:
        """Whether everything that was computed is the same."""
        return not self.numbers and self.endings is None


def difference(first: RunNumbers, second: RunNumbers) -> Difference:
    """What two runs differ in."""
    return Difference(
        _differing(first.params, second.params, {**first.params, **second.params}),
        _differing(first.facts, second.facts, FACTS),
        None if first.ending == second.ending else (first.ending, second.ending),
        None if first.every_steps == second.every_steps else (first.every_steps, second.every_steps),
        tuple(_partings(first, second)),
    )


def _partings(first: RunNumbers, second: RunNumbers) -> Iterator[Parting]:
    for name in {**first.curves, **second.curves}:
        pair = [numbers.curves.get(name) for numbers in (first, second)]
        if first.every_steps != second.every_steps:
            pair = _where_both_are_due(name, pair, math.lcm(first.every_steps, second.every_steps))
        if (parting := series_parting(name, *pair)) is not None:
            yield parting
    for name in {**first.arrays, **second.arrays}:
        if (parting := array_parting(name, first.arrays.get(name), second.arrays.get(name))) is not None:
            yield parting


def _where_both_are_due(name: str, curves: Sequence[Curve | None], every_steps: int) -> list[Curve | None]:
    """Two series of a metric of every step, at the steps that both were to store: each Nth, and the last."""
    if not name.startswith(PER_STEP):
        return list(curves)
    last = max((int(curve.steps.max(initial=0)) for curve in curves if curve is not None), default=0)
    thinned: list[Curve | None] = []
    for curve in curves:
        if curve is not None:
            due = (curve.steps % every_steps == 0) | (curve.steps == last)
            curve = replace(curve, steps=curve.steps[due], values=curve.values[due])
        thinned.append(curve)
    return thinned


def run_with(reader: Reader, run_id: str) -> StoredRun:
    """The run with this id, or the only one whose id begins so.

    Raises:
      SwathError: there is none, or there are several.
    """
    if not run_id:
        raise SwathError("expected the id of a run, or its beginning")
    found = reader.run(run_id)
    if found is not None:
        return found
    near = [run for run in reader.runs({"swath.kind": "run"}) if run.run_id.startswith(run_id)]
    if len(near) == 1:
        return near[0]
    if near:
        raise SwathError(f"run {run_id}: {len(near)} runs begin so; type more of the id")
    raise SwathError(f"no run {run_id} in this store; swath-compare SWEEP --format csv shows ids")


def diff_lines(found: Difference) -> Iterator[str]:
    """A difference as lines to read."""
    for name, (first, second) in found.params.items():
        yield f"config: {name}: {_shown(first)} | {_shown(second)}"
    for name, (first, second) in found.facts.items():
        yield f"environment: {FACTS[name]}: {_shown(first)} | {_shown(second)}"
    if found.endings is not None:
        yield f"end: {found.endings[0]} | {found.endings[1]}"
    if found.every_steps is not None:
        yield f"stored: every {found.every_steps[0]} steps | every {found.every_steps[1]} steps"
    parted = {parting.name for parting in found.numbers}
    for parting in found.numbers:
        if parting.name.removeprefix(LAST) not in parted - {parting.name}:
            yield f"numbers: {parting_text(parting)}"
    if found.same_bits:
        yield "numbers: identical, bit for bit"


def parting_text(parting: Parting) -> str:
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
