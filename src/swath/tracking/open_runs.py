"""Runs that a command has started and not ended."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from swath.errors import SwathError
from swath.tracking.curve_writer import CurveWriter
from swath.tracking.run_records import RunInfo


@dataclass
class OpenRun:
    """A run that has been started here and not ended.

    Attributes:
      run_id: MLflow's id.
      artifact_uri: place of its artifacts.
      info: what it said of itself when it began.
      curves: writes its files of steps.
      tracked_s: seconds that tracking it has taken so far.
      failure: why it is incomplete in the store; None if it is not.
      last_steps: the last stored step of each metric when it was resumed.
      steps_from_ms: see `mlflow_runs.steps_from`.
    """

    run_id: str
    artifact_uri: str
    info: RunInfo
    curves: CurveWriter
    tracked_s: float = 0.0
    failure: SwathError | None = None
    last_steps: dict[str, int] = field(default_factory=dict)
    steps_from_ms: int | None = None


@contextlib.contextmanager
def taking_back(entries: Sequence[OpenRun]) -> Iterator[None]:
    """If storing fails, the files that were written for it do not count."""
    before = [(entry, entry.curves.span) for entry in entries]
    try:
        yield
    except BaseException:
        for entry, span in before:
            entry.curves.span = span
        raise
