"""Reads the curves of runs that keep them in files."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.artifacts import read_bytes
from swath.tracking.curve_files import Steps, decode
from swath.tracking.curve_spans import Span, chain, end_of, spans_in
from swath.tracking.stored_runs import Curve, StoredRun


def read_files(run: StoredRun, spans: Iterable[tuple[Span, int]]) -> Steps:
    """The steps of a run, and the values of each metric, from its files.

    Args:
      run: the run.
      spans: what counts; see `chain`.

    Raises:
      SwathError: a file is missing or damaged.
    """
    parts = [part for span, end in spans for part in _parts(run, span, end)]
    names = list(dict.fromkeys(name for _, values in parts for name in values))
    nothing = np.zeros(0, np.float64)
    steps = np.concatenate([np.zeros(0, np.int64), *(each for each, _ in parts)])
    return steps, {name: np.concatenate([nothing, *(values[name] for _, values in parts)]) for name in names}


def _parts(run: StoredRun, span: Span, last: int) -> Iterator[Steps]:
    """The contents of the files of a span, up to the step before `last`."""
    at = span.first
    for name in map(span.file, range(span.files)):
        if at >= last:
            return
        try:
            steps, values = decode(read_bytes(run, name))
            if not len(steps) or steps.tolist() != list(range(at, at + len(steps))):
                raise ValueError(f"expected steps from {at} on")
        except ValueError as error:
            raise _damaged(run, f"{name} is damaged: {error}") from error
        counts = slice(0, last - at)
        yield steps[counts], {metric: each[counts] for metric, each in values.items()}
        at += len(steps)
    if at < last:
        raise _damaged(run, f"{schema.CURVE_FILES}{span.key}/ ends before step {at}, expected {last} steps")


def _damaged(run: StoredRun, what: str) -> SwathError:
    return SwathError(f"run {run.run_id}: {what}; train it again: swath-reproduce {run.run_id}")


def with_files(
    in_file: Callable[[Sequence[str]], list[StoredRun]],
    again: Callable[[str], StoredRun | None],
    rows: Callable[[Sequence[str], Sequence[str]], list[Curve]],
    run_ids: Sequence[str],
    metrics: Sequence[str],
) -> list[Curve]:
    """The curves of runs, of which some keep every step in files.

    Args:
      in_file: (ids) -> those of the runs that have files.
      again: (id) -> a run as it is now; its files may be merged meanwhile.
      rows: (ids, metrics) -> curves as the store's metrics have them.
      run_ids: ids of the runs.
      metrics: names of the metrics.

    Raises:
      SwathError: a file is missing or damaged.
    """
    stepped = [name for name in sorted(metrics) if schema.is_per_step(name)]
    runs = {run.run_id: run for run in in_file(run_ids)} if stepped else {}
    if not runs:
        return rows(run_ids, metrics)
    found: dict[str, list[Curve]] = {run_id: [] for run_id in run_ids}
    others = [name for name in metrics if name not in stepped]
    curves = rows([run_id for run_id in found if run_id not in runs], metrics)
    curves += rows(list(runs), others) if others else []
    for run in runs.values():
        steps, values = _read(run, again)
        curves += [Curve(run.run_id, name, steps, values[name]) for name in stepped if name in values]
    for curve in sorted(curves, key=lambda each: each.metric):
        found[curve.run_id].append(curve)
    return [curve for run_id in found for curve in found[run_id]]


def _read(run: StoredRun, again: Callable[[str], StoredRun | None]) -> Steps:
    try:
        return read_files(run, chain(spans_in(run.tags)))
    except SwathError:
        now = again(run.run_id)
        if now is None or now.tags == run.tags:
            raise
        return read_files(now, chain(spans_in(now.tags)))


def count_steps_in_files(run: StoredRun) -> None:
    """Set the last steps of a run that keeps every step in files to those of the files."""
    if schema.CURVES in run.tags:
        last = end_of(run.tags) - 1
        for name in schema.PER_STEP:
            run.last_steps.pop(name, None)
            if last >= 0:
                run.last_steps[name] = last
