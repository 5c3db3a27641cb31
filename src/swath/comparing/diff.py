"""What two runs differ in, down to the last bit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.facts import FACTS
from swath.reading.files import read_predictions, read_weights
from swath.reading.records import Curve, StoredRun
from swath.reading.store import Reader

CURVES = ("train/accuracy", "train/loss", "validation/accuracy", "validation/loss")
"""Metrics that may have a value per step; a metric with one value is a short curve."""

SINGLE = ("test/accuracy", "test/loss")


@dataclass(frozen=True)
class Parting:
    """Two series of numbers that are not the same.

    Attributes:
      name: what they are.
      step: the first at which they differ, or one of them has no value; None for arrays.
      first: the value there in the first run; None where it has none.
      second: the same of the second run.
      largest_ulps: the largest difference anywhere, in units in the last place; None where a value is
        missing or
        not a number in one of them only.
    """

    name: str
    step: int | None
    first: float | None
    second: float | None
    largest_ulps: int | None


@dataclass(frozen=True)
class Difference:
    """Everything in which two runs differ; empty where they are the same.

    Attributes:
      params: fields of the configuration, by name: the value in each.
      facts: data, environment and source, by what people call them: the value in each.
      numbers: metrics and arrays that are not the same to the bit.
    """

    params: dict[str, tuple[str | None, str | None]]
    facts: dict[str, tuple[str | None, str | None]]
    numbers: tuple[Parting, ...]

    @property
    def same_bits(self) -> bool:
        """Whether everything that was computed is the same."""
        return not self.numbers


def difference(reader: Reader, first: StoredRun, second: StoredRun) -> Difference:
    """What two runs of a store differ in.

    Raises:
      SwathError: a finished run's files cannot be read.
    """
    facts = _differing(first.tags, second.tags, FACTS)
    return Difference(
        _differing(first.params, second.params, {name: name for name in {**first.params, **second.params}}),
        {FACTS[name]: pair for name, pair in facts.items()},
        (
            *_curve_partings(reader, first, second),
            *_single_partings(first, second),
            *_array_partings(first, second),
        ),
    )


def run_with(reader: Reader, run_id: str) -> StoredRun:
    """The run with this id, or the only one whose id begins so.

    Raises:
      SwathError: there is none, or there are several.
    """
    found = reader.run(run_id)
    if found is not None:
        return found
    near = [run for run in reader.runs({"swath.kind": "run"}) if run.run_id.startswith(run_id)]
    if len(near) == 1:
        return near[0]
    if near:
        raise SwathError(f"run {run_id}: {len(near)} runs begin so; type more of the id")
    raise SwathError(f"no run {run_id} in this store; swath-compare SWEEP --format csv shows ids")


def ulps_apart(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.uint64]:
    """How many floating-point numbers apart values are: uint64, of the shape of both.

    IEEE 754 orders the encodings of positive numbers as the numbers themselves, and those of negative
    ones the other way round. 0 and -0 are one apart; NaN comes after infinity, whatever its payload.

    Args:
      first: float32 or float64.
      second: of the same type and shape.
    """
    kind: Any = {4: np.uint32, 8: np.uint64}[first.dtype.itemsize]
    sign = kind(1 << (8 * first.dtype.itemsize - 1))
    keys = []
    for values in (first, second):
        encoded = np.where(np.isnan(values), np.nan, values).astype(values.dtype).view(kind)
        keys.append(np.where(encoded & sign, ~encoded, encoded | sign))
    return np.asarray(np.maximum(*keys) - np.minimum(*keys), np.uint64)


def series_parting(name: str, first: Curve | None, second: Curve | None) -> Parting | None:
    """Where two series of a metric part; None where they are the same."""
    steps_a, values_a = _series(first)
    steps_b, values_b = _series(second)
    at_a, at_b = dict(zip(steps_a, values_a, strict=True)), dict(zip(steps_b, values_b, strict=True))
    lonely = sorted(at_a.keys() ^ at_b.keys())
    common = [step for step in at_a if step in at_b]
    apart = ulps_apart(np.array([at_a[step] for step in common]), np.array([at_b[step] for step in common]))
    differing = [step for step, ulps in zip(common, apart, strict=True) if ulps]
    if not differing and not lonely:
        return None
    step = min([*differing[:1], *lonely[:1]])
    largest = int(apart.max()) if differing and not lonely else None
    return Parting(name, step, at_a.get(step), at_b.get(step), largest)


def array_parting(name: str, first: NDArray[Any] | None, second: NDArray[Any] | None) -> Parting | None:
    """How far two arrays are apart; None where they are the same to the bit."""
    if first is None and second is None:
        return None
    if first is None or second is None or first.shape != second.shape or first.dtype != second.dtype:
        return Parting(name, None, None, None, None)
    if first.tobytes() == second.tobytes():
        return None
    if first.dtype.kind != "f":
        return Parting(name, None, None, None, int(np.count_nonzero(first != second)))
    return Parting(name, None, None, None, int(ulps_apart(first, second).max()))


def diff_lines(found: Difference) -> Iterator[str]:
    """A difference as lines to read."""
    for title, pairs in (("config", found.params), ("environment", found.facts)):
        for name, (first, second) in pairs.items():
            yield f"{title}: {name}: {_shown(first)} | {_shown(second)}"
    for parting in found.numbers:
        yield _parting_line(parting)
    if found.same_bits:
        yield "numbers: identical, bit for bit"


def _parting_line(parting: Parting) -> str:
    if parting.name.startswith("predictions of"):
        return f"numbers: {parting.name}: {parting.largest_ulps} images are taken for another class"
    far = (
        ""
        if parting.largest_ulps is None
        else f"largest difference {parting.largest_ulps:,} units in the last place"
    )
    if parting.step is None:
        return f"numbers: {parting.name}: {far or 'only one run has them, or their shapes differ'}"
    values = f"{_shown(parting.first)} | {_shown(parting.second)}"
    return (
        f"numbers: {parting.name}: differs from step {parting.step} on ({values}){'; ' if far else ''}{far}"
    )


def _shown(value: object) -> str:
    return "(none)" if value is None else str(value)


def _differing(
    first: Mapping[str, str], second: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    }


def _series(curve: Curve | None) -> tuple[list[int], list[float]]:
    return ([], []) if curve is None else (curve.steps.tolist(), curve.values.tolist())


def _curve_partings(reader: Reader, first: StoredRun, second: StoredRun) -> Iterator[Parting]:
    found = {
        (curve.run_id, curve.metric): curve for curve in reader.curves([first.run_id, second.run_id], CURVES)
    }
    for name in CURVES:
        parting = series_parting(name, found.get((first.run_id, name)), found.get((second.run_id, name)))
        if parting is not None:
            yield parting


def _single_partings(first: StoredRun, second: StoredRun) -> Iterator[Parting]:
    for name in SINGLE:
        pair = [np.array([run.metrics[name]]) if name in run.metrics else None for run in (first, second)]
        if (parting := array_parting(name, *pair)) is not None:
            yield Parting(name, 0, first.metrics.get(name), second.metrics.get(name), parting.largest_ulps)


def _array_partings(first: StoredRun, second: StoredRun) -> Iterator[Parting]:
    if first.status != "FINISHED" or second.status != "FINISHED":
        return
    learned = read_weights(first), read_weights(second)
    for name in ("weights", "biases", "shift", "scale"):
        parting = array_parting(name, *(getattr(entry, name) for entry in learned))
        if parting is not None:
            yield parting
    for split in ("validation", "test"):
        classes = [
            None if found is None else found.classes
            for found in (read_predictions(first, split), read_predictions(second, split))
        ]
        parting = array_parting(f"predictions of {split} images", *classes)
        if parting is not None:
            yield parting
