"""Compares two sweeps by the configurations that both have."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from swath.analysis.ranking import latest, metric_of
from swath.analysis.sweeps import Sweep
from swath.config import typed
from swath.tracking import PROVENANCE_TAGS, StoredRun, schema


@dataclass(frozen=True)
class SweepDifference:
    """Two sweeps side by side.

    Attributes:
      metric: the metric that is compared.
      pairs: the run of each sweep, of every configuration that both have.
      only: number of finished configurations that only one of the sweeps has.
      provenance: provenance tags that differ between the runs: tag, and the values in both sweeps.
      never_equal: if no configuration is in both: the fields that no configuration of one sweep shares with
        one of the other, with the values in each.
    """

    metric: str
    pairs: Sequence[tuple[StoredRun, StoredRun]]
    only: tuple[int, int]
    provenance: Sequence[tuple[str, str, str]]
    never_equal: Mapping[str, tuple[str, str]]

    @property
    def identical(self) -> int:
        """Number of pairs whose results are bit-identical: their result digests are equal."""
        return sum(_is_identical(first, second) for first, second in self.pairs)

    @property
    def largest(self) -> float:
        """Largest absolute difference of the metric; NaN if no pair has it."""
        found = [abs(_value(a, self.metric) - _value(b, self.metric)) for a, b in self.pairs]
        return max((value for value in found if not math.isnan(value)), default=math.nan)


def compare_sweeps(first: Sweep, second: Sweep, metric: str | None = None) -> SweepDifference:
    """Compare the finished runs of two sweeps.

    Args:
      first: a sweep with a finished run.
      second: another one.
      metric: metric to compare; None for the one that ranks the first sweep.
    """
    runs = [latest(sweep.finished) for sweep in (first, second)]
    by_key: list[dict[Hashable, StoredRun]] = [
        {tuple(sorted(run.params.items())): run for run in found} for found in runs
    ]
    common = [key for key in by_key[0] if key in by_key[1]]
    pairs = [(by_key[0][key], by_key[1][key]) for key in common]
    return SweepDifference(
        metric_of(runs[0], metric),
        pairs,
        (len(by_key[0]) - len(common), len(by_key[1]) - len(common)),
        [found for name in PROVENANCE_TAGS if (found := _differing(name, pairs)) is not None],
        {} if common else _never_equal(*runs),
    )


def _never_equal(first: Sequence[StoredRun], second: Sequence[StoredRun]) -> dict[str, tuple[str, str]]:
    """The fields whose values in one sweep do not occur in the other, with a value of each."""
    found = {}
    for name in dict.fromkeys(name for run in (*first, *second) for name in run.params):
        values = [[run.params.get(name, "") for run in runs] for runs in (first, second)]
        if not set(values[0]) & set(values[1]):
            one, other = (_some(list(dict.fromkeys(each))) for each in values)
            found[name] = one, other
    return found


def _some(texts: Sequence[str], most: int = 4) -> str:
    return ", ".join([*texts[:most], *(["..."] if len(texts) > most else [])])


def _differing(name: str, pairs: Sequence[tuple[StoredRun, StoredRun]]) -> tuple[str, str, str] | None:
    values = [" ".join(sorted({pair[place].tags.get(name, "(none)") for pair in pairs})) for place in (0, 1)]
    return None if values[0] == values[1] else (name, values[0], values[1])


def _is_identical(first: StoredRun, second: StoredRun) -> bool:
    bits = first.tags.get(schema.BITS, "")
    return bool(bits) and bits == second.tags.get(schema.BITS)


def _value(run: StoredRun, metric: str) -> float:
    return run.metrics.get(metric, math.nan)


def sweep_diff_frame(found: SweepDifference) -> pd.DataFrame:
    """One row per common configuration.

    Columns: the fields that vary between the pairs, `first` and `second` (float64, the metric), `difference`
    (second minus first), `identical` (bool: bit-identical results), `first_run_id`, `second_run_id`.
    """
    names = dict.fromkeys(name for run, _ in found.pairs for name in run.params)
    fields = [name for name in names if len({run.params.get(name) for run, _ in found.pairs}) > 1]
    rows = [
        {
            **{field: typed(field, first.params.get(field, "")) for field in fields},
            "first": _value(first, found.metric),
            "second": _value(second, found.metric),
            "difference": _value(second, found.metric) - _value(first, found.metric),
            "identical": _is_identical(first, second),
            "first_run_id": first.run_id,
            "second_run_id": second.run_id,
        }
        for first, second in found.pairs
    ]
    columns = [*fields, "first", "second", "difference", "identical", "first_run_id", "second_run_id"]
    return pd.DataFrame(rows, columns=columns)


def sweep_diff_lines(found: SweepDifference) -> list[str]:
    """A comparison of two sweeps in sentences."""
    count = len(found.pairs)
    first, second = found.only
    lines = [f"Common configurations: {count}; only in the first: {first}, only in the second: {second}."]
    lines += [f"Never equal: {name}: {one} | {other}" for name, (one, other) in found.never_equal.items()]
    if count:
        lines.append(f"Identical, bit for bit: {found.identical} of {count}.")
        if found.identical < count:
            lines.append(f"Largest difference in {found.metric}: {found.largest:.4g}.")
    lines += [
        f"Environment: {PROVENANCE_TAGS[name]}: {first} | {second}"
        for name, first, second in found.provenance
    ]
    return lines
