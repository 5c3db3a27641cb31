"""Whether a run trained again is the same run, and if not, where, how far, and most likely why."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from swath.analysis.diff import Difference, RunValues, difference, mismatch_text
from swath.tracking import PROVENANCE_TAGS, RESULT_AFFECTING, Reader, StoredRun, schema

Kind = Literal["identical", "equal", "differs", "not_reproducible"]


EXIT_STATUS: Mapping[Kind, int] = {"identical": 0, "equal": 0, "differs": 1, "not_reproducible": 2}


@dataclass(frozen=True)
class Verdict:
    """What is said of a run that was trained again.

    Attributes:
      kind: what it comes to.
      text: one line.
    """

    kind: Kind
    text: str

    @property
    def exit_status(self) -> int:
        """Of a command whose only verdict it is."""
        return EXIT_STATUS[self.kind]


def not_reproducible(reason: str) -> Verdict:
    """The verdict on a run that cannot be trained again or compared."""
    return Verdict("not_reproducible", f"cannot be reproduced: {reason}")


def verdict_on(
    stored: RunValues, repeated: RunValues, stored_bits: str, bits: str, rtol: float | None
) -> Verdict:
    """Compare a run with its repetition.

    Args:
      stored: the run.
      repeated: its repetition.
      stored_bits: the digest that was stored with the run; empty where there was none.
      bits: of the repetition.
      rtol: largest difference that is passed over: of a value as a part of the larger of the two, of an array
        as a part of its largest value, of predicted classes as a part of the images; None for none.
    """
    found = difference(stored, repeated)
    digests_agree = stored_bits in ("", bits)
    if found.same_bits and digests_agree and not found.params:
        return Verdict("identical", "identical, bit for bit")
    parts = [part.largest_relative for part in found.numbers]
    if (
        rtol is not None
        and found.endings is None
        and all(part is not None and part <= rtol for part in parts)
    ):
        largest = max((part for part in parts if part is not None), default=0.0)
        return Verdict("equal", f"equal within tolerance: largest relative difference {largest:.2g}")
    return Verdict("differs", f"differs: {_where(found, digests_agree)}; {_why(found)}")


def _where(found: Difference, digests_agree: bool) -> str:
    if found.endings is not None:
        return f"it ended as {found.endings[1]}, not as {found.endings[0]}"
    if found.numbers:
        stepped = [part for part in found.numbers if part.step is not None]
        first = min(stepped, key=lambda part: part.step or 0) if stepped else found.numbers[0]
        others = len(found.numbers) - 1
        return mismatch_text(first) + (f", and {others} more" if others else "")
    if not digests_agree:
        return f"the stored digest of all its numbers ({schema.BITS}) is another one"
    return "the configuration is another one"


def _why(found: Difference) -> str:
    """The likely reason, from what was recorded of both."""
    if found.params:
        pairs = [f"{name} {first}, now {second}" for name, (first, second) in found.params.items()]
        return f"because of another configuration: {'; '.join(pairs)}"
    serious = [name for name in RESULT_AFFECTING if name in found.facts]
    code = [name for name in (schema.COMMIT, schema.DIRTY, schema.VERSION) if name in found.facts]
    others = [name for name in found.facts if name not in serious and name not in code]
    for names in (serious, code, others):
        if names:
            pairs = [
                f"{PROVENANCE_TAGS[name]} {_short(found.facts[name][0])}, now {_short(found.facts[name][1])}"
                for name in names
            ]
            return f"likely because of {'; '.join(pairs)}"
    return "nothing that was recorded of its making is different, so what is stored may have been changed"


def _changed(before: str | None, now: str | None) -> str:
    return f"{_short(before)}, now {_short(now)}"


def _short(value: str | None) -> str:
    text = "(none)" if value is None else value
    return text if len(text) <= 40 else f"{text[:37]}..."


def metrics_digest(reader: Reader, run: StoredRun) -> str:
    """SHA-256 of every metric that was computed: name, steps (int64), values (float64); by name."""
    names = [name for name in run.metrics if not schema.is_measured(name)]
    digest = hashlib.sha256()
    for curve in sorted(reader.curves([run.run_id], names), key=lambda curve: curve.metric):
        digest.update(curve.metric.encode())
        digest.update(np.ascontiguousarray(curve.steps, "<i8").tobytes())
        digest.update(np.ascontiguousarray(curve.values, "<f8").tobytes())
    return digest.hexdigest()
