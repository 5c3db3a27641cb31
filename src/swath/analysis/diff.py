"""Compares two runs down to the last bit, and judges whether a run was reproduced."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from swath import tracking
from swath.analysis.divergence import Mismatch, compare_arrays, compare_series
from swath.tracking import schema

FEW_ULPS = 100_000
"""A larger difference is no matter of rounding, and says nothing in units in the last place."""

LATEST = "the last "
"""Prefix for a metric's entry in MLflow's table of latest metrics."""


@dataclass(frozen=True)
class RunValues:
    """The configuration, provenance and computed values of a run.

    Attributes:
      params: configuration, as text.
      provenance: provenance tags and their values; see `tracking.provenance`.
      ending: status, and the reason if the run did not finish.
      curves: every computed metric by step; a single value is a curve of one step.
      arrays: learned arrays, labels and predicted classes of a finished run.
      every_steps: the run stores its per-step metrics every this many steps; 1 if a file has every step.
    """

    params: dict[str, str]
    provenance: dict[str, str]
    ending: str
    curves: dict[str, tracking.Curve]
    arrays: dict[str, NDArray[Any]]
    every_steps: int


def stored_values(reader: tracking.Reader, run: tracking.StoredRun) -> RunValues:
    """Read the values of a stored run, including MLflow's table of latest metrics.

    Raises:
      SwathError: a file of a finished run cannot be read.
    """
    names = [name for name in run.metrics if not schema.is_measured(name)]
    curves = {curve.metric: curve for curve in reader.curves([run.run_id], names)}
    for name in names:
        last = np.array([run.last_steps.get(name, 0)], np.int64), np.array([run.metrics[name]])
        curves[f"{LATEST}{name}"] = tracking.Curve(run.run_id, name, *last)
    arrays = {}
    if run.status == "FINISHED":
        arrays = named_arrays(
            tracking.read_arrays(run, schema.WEIGHTS_FILE), tracking.read_arrays(run, schema.PREDICTIONS_FILE)
        )
    kept = run.tags.get(schema.EVERY_STEPS, "1")
    every_steps = int(kept) if kept.isdecimal() and schema.CURVES not in run.tags else 1
    return RunValues(
        run.params,
        tracking.provenance_of(run.tags),
        ending(run.status, run.tags),
        curves,
        arrays,
        every_steps,
    )


def named_arrays(
    learned: Mapping[str, NDArray[Any]], predicted: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The arrays of a finished run, by the names that a difference shows.

    Args:
      learned: arrays of the weights file.
      predicted: arrays of the predictions file.
    """
    found = dict(learned)
    for split in schema.SPLITS:
        found[f"predictions of {split} images"] = predicted[split]
        found[f"labels of {split} images"] = predicted[f"{split}_labels"]
    return found


def ending(status: str, tags: Mapping[str, str]) -> str:
    """How a run ended: its status, and the reason if it did not finish."""
    return status if status == "FINISHED" else f"{status}: {tags.get(schema.ERROR, 'no reason was stored')}"


@dataclass(frozen=True)
class Difference:
    """The difference between two runs; empty if they are identical.

    Attributes:
      params: configuration fields that differ: name to both values.
      provenance: provenance tags that differ: tag to both values.
      endings: both endings, if they differ.
      every_steps: both storage intervals, if they differ; per-step metrics are then compared at the steps
        that both runs store.
      numbers: metrics and arrays that are not bit-identical.
    """

    params: dict[str, tuple[str | None, str | None]]
    provenance: dict[str, tuple[str | None, str | None]]
    endings: tuple[str, str] | None
    every_steps: tuple[int, int] | None
    numbers: tuple[Mismatch, ...]

    @property
    def is_bit_identical(self) -> bool:
        """Whether all computed values are bit-identical."""
        return not self.numbers and self.endings is None


def difference(first: RunValues, second: RunValues) -> Difference:
    """Compare two runs."""
    return Difference(
        _differing(first.params, second.params, {**first.params, **second.params}),
        _differing(first.provenance, second.provenance, tracking.PROVENANCE_TAGS),
        None if first.ending == second.ending else (first.ending, second.ending),
        None if first.every_steps == second.every_steps else (first.every_steps, second.every_steps),
        tuple(_mismatches(first, second)),
    )


def _mismatches(first: RunValues, second: RunValues) -> Iterator[Mismatch]:
    for name in {**first.curves, **second.curves}:
        pair = [values.curves.get(name) for values in (first, second)]
        if first.every_steps != second.every_steps:
            pair = _at_common_steps(name, pair, math.lcm(first.every_steps, second.every_steps))
        if (mismatch := compare_series(name, *pair)) is not None:
            yield mismatch
    for name in {**first.arrays, **second.arrays}:
        if (mismatch := compare_arrays(name, first.arrays.get(name), second.arrays.get(name))) is not None:
            yield mismatch


def _at_common_steps(
    name: str, curves: Sequence[tracking.Curve | None], every_steps: int
) -> list[tracking.Curve | None]:
    """Two curves of a per-step metric at the steps that both runs store: every Nth and the last."""
    if not schema.is_per_step(name):
        return list(curves)
    last = max((int(curve.steps.max(initial=0)) for curve in curves if curve is not None), default=0)
    thinned: list[tracking.Curve | None] = []
    for curve in curves:
        if curve is not None:
            due = (curve.steps % every_steps == 0) | (curve.steps == last)
            curve = replace(curve, steps=curve.steps[due], values=curve.values[due])
        thinned.append(curve)
    return thinned


def diff_lines(found: Difference) -> Iterator[str]:
    """A difference as lines of text."""
    for name, (first, second) in found.params.items():
        yield f"config: {name}: {_shown(first)} | {_shown(second)}"
    for name, (first, second) in found.provenance.items():
        yield f"environment: {tracking.PROVENANCE_TAGS[name]}: {_shown(first)} | {_shown(second)}"
    if found.endings is not None:
        yield f"end: {found.endings[0]} | {found.endings[1]}"
    if found.every_steps is not None:
        yield f"stored: every {found.every_steps[0]} steps | every {found.every_steps[1]} steps"
    names = {mismatch.name for mismatch in found.numbers}
    for mismatch in found.numbers:
        if mismatch.name.removeprefix(LATEST) not in names - {mismatch.name}:
            yield f"numbers: {mismatch_text(mismatch)}"
    if found.is_bit_identical:
        yield "numbers: identical, bit for bit"


def mismatch_text(mismatch: Mismatch) -> str:
    """Where two series or arrays start to differ, and by how much."""
    if mismatch.differing is not None:
        return f"{mismatch.name}: {mismatch.differing} differ"
    size = ""
    if mismatch.largest_ulps is not None:
        size = f"largest difference {mismatch.largest:.3g}"
        if mismatch.largest_relative is not None:
            size += f", {mismatch.largest_relative:.2g} relative"
        if mismatch.largest_ulps <= FEW_ULPS:
            size += f", {mismatch.largest_ulps:,} units in the last place"
    elif mismatch.common and not math.isnan(mismatch.largest):
        steps = "step" if mismatch.common == 1 else "steps"
        size = f"largest difference {mismatch.largest:.3g} over {mismatch.common:,} common {steps}"
    if mismatch.step is None:
        return f"{mismatch.name}: {size or 'missing in one run, or of another shape'}"
    values = f"{_shown(mismatch.first)} | {_shown(mismatch.second)}"
    return f"{mismatch.name}: differs from step {mismatch.step} on ({values}){'; ' if size else ''}{size}"


def _shown(value: object) -> str:
    return "(none)" if value is None else str(value)


def _differing(
    first: Mapping[str, str], second: Mapping[str, str], names: Iterable[str]
) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    }


Kind = Literal["identical", "equal", "differs", "not_reproducible"]

EXIT_STATUS: Mapping[Kind, int] = {"identical": 0, "equal": 0, "differs": 1, "not_reproducible": 2}


@dataclass(frozen=True)
class Verdict:
    """The result of reproducing a run.

    Attributes:
      kind: the result.
      text: the result and its likely reason, in one line.
    """

    kind: Kind
    text: str

    @property
    def exit_status(self) -> int:
        """Exit status of a command with this verdict."""
        return EXIT_STATUS[self.kind]


def not_reproducible(reason: str) -> Verdict:
    """The verdict on a run that cannot be trained again or compared."""
    return Verdict("not_reproducible", f"cannot be reproduced: {reason}")


def verdict_on(
    stored: RunValues, repeated: RunValues, stored_digest: str, digest: str, rtol: float | None
) -> Verdict:
    """Compare a run with its repetition.

    Args:
      stored: the original run.
      repeated: its repetition.
      stored_digest: result digest of the original; empty if none was stored.
      digest: result digest of the repetition.
      rtol: relative tolerance: for a metric relative to the larger of two values, for an array relative to
        its largest value, for predicted classes the share of images; None to require bit-identical results.
    """
    found = difference(stored, repeated)
    digests_agree = stored_digest in ("", digest)
    if found.is_bit_identical and digests_agree and not found.params:
        return Verdict("identical", "identical, bit for bit")
    parts = [mismatch.largest_relative for mismatch in found.numbers]
    within = rtol is not None and all(part is not None and part <= rtol for part in parts)
    if within and found.endings is None:
        largest = max((part for part in parts if part is not None), default=0.0)
        return Verdict("equal", f"equal within tolerance: largest relative difference {largest:.2g}")
    return Verdict("differs", f"differs: {_where(found, digests_agree)}; {_why(found)}")


def _where(found: Difference, digests_agree: bool) -> str:
    if found.endings is not None:
        return f"it ended as {found.endings[1]}, not as {found.endings[0]}"
    if found.numbers:
        stepped = [mismatch for mismatch in found.numbers if mismatch.step is not None]
        first = min(stepped, key=lambda mismatch: mismatch.step or 0) if stepped else found.numbers[0]
        others = len(found.numbers) - 1
        return mismatch_text(first) + (f", and {others} more" if others else "")
    if not digests_agree:
        return f"the stored result digest ({schema.BITS}) is different"
    return "the configuration is different"


def _why(found: Difference) -> str:
    """The likely reason, from the configuration and provenance of both runs."""
    if found.params:
        pairs = [f"{name} {first}, now {second}" for name, (first, second) in found.params.items()]
        return f"because the configuration differs: {'; '.join(pairs)}"
    if schema.ARITHMETIC in found.provenance:
        first, second = found.provenance[schema.ARITHMETIC]
        return f"because it was made with arithmetic {first}, now {second}, which rounds differently"
    known = {name: values for name, values in found.provenance.items() if None not in values}
    serious = [name for name in tracking.RESULT_AFFECTING if name in known]
    code = [name for name in (schema.COMMIT, schema.DIRTY, schema.VERSION) if name in known]
    others = [name for name in known if name not in serious and name not in code]
    for names in (serious, code, others):
        if names:
            pairs = [
                f"{tracking.PROVENANCE_TAGS[name]} {_short(first)}, now {_short(second)}"
                for name, (first, second) in ((name, found.provenance[name]) for name in names)
            ]
            return f"likely because of {'; '.join(pairs)}"
    unknown = [tracking.PROVENANCE_TAGS[name] for name in found.provenance if name not in known]
    if unknown:
        return f"likely because of what was not recorded with both runs: {', '.join(unknown)}"
    return "the recorded environment is the same, so the cause is something that is not recorded"


def _short(value: str | None) -> str:
    text = _shown(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
