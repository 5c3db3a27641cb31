"""Finds the step at which a run can resume, from checkpoints and finished shorter runs."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swath import training
from swath.config import KeptSteps
from swath.errors import AwayError, SwathError
from swath.sweeps.manifest import RunKey
from swath.tracking import Curve, MetricBatch, Reader, StoredRun, read_arrays, read_bytes, schema

TRAIN = (schema.TRAIN_ACCURACY, schema.TRAIN_LOSS)
VALIDATION = (schema.VALIDATION_ACCURACY, schema.VALIDATION_LOSS)

ResumePoint = tuple[training.TrainState | None, tuple[MetricBatch, ...]]
"""Train state to resume from, and metrics of the steps before it; None for step 0."""

FROM_START: ResumePoint = (None, ())
"""Training starts at step 0."""

PLAIN = "sgd"
"""The optimizer without a state."""

STATISTICS = ("shift", "scale")
"""Arrays of a weights file that are not part of the train state: statistics of the preprocessing."""

SET_ASIDE = ".unusable"
"""Suffix appended to the name of a checkpoint that cannot be read."""


class ResumePoints:
    """Checkpoints of a sweep and finished runs of an experiment, from which runs can resume.

    Args:
      reader: reader of the store.
      runs: runs of the experiment.
      folder: checkpoint folder of the sweep; None if there is no sweep to resume.

    Attributes:
      set_aside: one line for each checkpoint that could not be read; damaged checkpoints are renamed.
    """

    def __init__(self, reader: Reader, runs: Sequence[StoredRun], folder: Path | None) -> None:
        self._reader = reader
        self.set_aside: list[str] = []
        self._checkpoints: dict[str, list[training.LaneCheckpoint]] = {}
        for path in _files(folder) if folder is not None else []:
            try:
                for lane in training.decode(path.read_bytes()):
                    self._checkpoints.setdefault(lane.key, []).append(lane)
            except training.DamagedCheckpointError as error:
                self.set_aside.append(_set_aside(path, error))
            except FileNotFoundError:  # its lot has ended meanwhile
                continue
            except OSError as error:  # the next command may be able to read it
                self.set_aside.append(f"checkpoint not used: {path}: {error}")
        self._shorter: dict[str, list[StoredRun]] = {}
        for run in runs:
            # The result digest needs every step, so thinned runs cannot be used.
            has_every_step = run.tags.get(schema.EVERY_STEPS) == "1" or schema.CURVES in run.tags
            if run.status == "FINISHED" and has_every_step:
                self._shorter.setdefault(run.tags.get(schema.LANE, ""), []).append(run)
        self._in_files: dict[str, int] = {}
        self._prepared: dict[tuple[str, KeptSteps, int], ResumePoint] = {}

    def of(self, key: RunKey, run: StoredRun | None, *, to_the_end: bool = False) -> ResumePoint:
        """The latest point from which a configuration can resume.

        Args:
          key: the configuration.
          run: its interrupted run; None if there is none.
          to_the_end: whether a checkpoint after the last step will do: the run has not been ended.
        """
        shorter = [entry for entry in self._shorter.get(key.lane, []) if _steps(entry) < key.max_steps]
        best = max(shorter, key=_steps, default=None)
        usable = [
            lane
            for name in (key.lane, key.lane + training.WAITING)
            for lane in self._checkpoints.get(name, [])
            if run is not None
            and lane.state.step < key.max_steps + to_the_end
            and _has_all_before(run, lane.state.step, key)
            and (not key.kept.in_file or self._steps_in_files(run) >= lane.state.step)
        ]
        lane = max(usable, key=lambda each: each.state.step, default=None)
        if lane is not None and (best is None or lane.state.step >= _steps(best)):
            waits = lane.key != key.lane
            return self._evaluated(lane.state, run, key) if waits else lane.state, ()
        if best is None:
            return FROM_START
        cache_key = (best.run_id, key.kept, key.evaluate_every_steps)
        if cache_key not in self._prepared:
            self._prepared[cache_key] = self._after(best, key)
        return self._prepared[cache_key]

    def _steps_in_files(self, run: StoredRun) -> int:
        """Steps from 0 on that the files of a run have; 0 if one cannot be read."""
        if run.run_id not in self._in_files:
            try:
                curves = self._reader.curves([run.run_id], TRAIN)
            except AwayError:
                raise
            except SwathError:
                curves = []
            whole = all(curve.steps.tolist() == list(range(len(curve.steps))) for curve in curves)
            self._in_files[run.run_id] = len(curves[0].steps) if curves and whole else 0
        return self._in_files[run.run_id]

    def _evaluated(
        self, saved: training.TrainState, run: StoredRun | None, key: RunKey
    ) -> training.TrainState:
        """A checkpoint of a trial that waits at a rung and goes on has the evaluation that is due there."""
        every, step = key.evaluate_every_steps, saved.step
        if run is None or step >= key.max_steps or not every or step % every:
            return saved
        curves = {curve.metric: curve for curve in self._reader.curves([run.run_id], schema.RUNGS)}
        at_rung = [_value_at(curves.get(name), step) for name in schema.RUNGS]
        if None in at_rung:
            return saved  # no rung: a checkpoint on the way has every evaluation before it
        digest = training.ResultDigest(saved.digest)
        digest.add("validation", *(value for value in at_rung if value is not None))
        return replace(saved, digest=digest.state)

    def _after(self, shorter: StoredRun, key: RunKey) -> ResumePoint:
        """The end of a finished run as the point from which a longer run resumes."""
        steps = _steps(shorter)
        try:
            read = self._reader.curves([shorter.run_id], (*TRAIN, *VALIDATION))
            curves = {curve.metric: curve for curve in read}
            learned = _learned(shorter)
        except (SwathError, KeyError, ValueError, AttributeError):
            return FROM_START
        if any(name not in curves or curves[name].steps.tolist() != list(range(steps)) for name in TRAIN):
            return FROM_START
        accuracies, losses = (curves[name].values for name in TRAIN)
        digest = training.ResultDigest()
        digest.add_steps(accuracies, losses)
        values = {schema.TRAIN_ACCURACY: accuracies, schema.TRAIN_LOSS: losses}
        trained = MetricBatch(0, values, rows_every=key.kept.every)
        batches = [trained if key.kept.in_file else trained.rows()]
        every = key.evaluate_every_steps
        for step in range(every, steps + 1, every) if every else ():
            found = [_value_at(curves.get(name), step) for name in VALIDATION]
            if None in found:
                return FROM_START
            values = {name: np.array([value]) for name, value in zip(VALIDATION, found, strict=True)}
            digest.add("validation", *(float(value) for value in found if value is not None))
            batches.append(MetricBatch(step, values))
        start = training.TrainState(
            steps,
            learned,
            digest.state,
            accuracies[-training.TRAIN_ACCURACY_STEPS :],
        )
        return start, tuple(batches)


def _files(folder: Path) -> list[Path]:
    """The checkpoint files of a sweep. Workers remove folders at any time, which is no error here."""
    return sorted(
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.endswith(training.CHECKPOINT_SUFFIX)
    )


def _set_aside(path: Path, error: Exception) -> str:
    """Rename a checkpoint that cannot be read, so that it is not read again; returns a line for the user."""
    renamed = path.with_name(path.name + SET_ASIDE)
    try:
        path.rename(renamed)
    except OSError:
        return f"checkpoint not used: {path}: {error}"
    return f"checkpoint not used, set aside as {renamed}: {error}"


def _learned(run: StoredRun) -> dict[str, NDArray[np.float32]]:
    """The arrays of a run's train state, from its files.

    Raises:
      SwathError: a file is missing, or differs from the one that was stored.
    """
    written = json.loads(run.tags.get(schema.FILES, "{}"))
    arrays: dict[str, NDArray[np.float32]] = {}
    # Plain gradient descent has no state; any other optimizer would go on as if it had just begun.
    stateless = run.params.get(schema.OPTIMIZER, PLAIN) == PLAIN
    for name in (schema.WEIGHTS_FILE,) if stateless else (schema.WEIGHTS_FILE, schema.OPTIMIZER_FILE):
        if written.get(name) != hashlib.sha256(read_bytes(run, name)).hexdigest():
            raise SwathError(f"run {run.run_id}: {name} is not the file that was stored")
        arrays |= read_arrays(run, name)
    return {name: array for name, array in arrays.items() if name not in STATISTICS}


def _steps(run: StoredRun) -> int:
    return int(run.params.get(schema.MAX_STEPS, "0"))


def _value_at(curve: Curve | None, step: int) -> float | None:
    found = [] if curve is None else curve.values[curve.steps == step].tolist()
    return found[0] if found else None


def _has_all_before(run: StoredRun, step: int, key: RunKey) -> bool:
    """Whether the store contains all metrics of a run before a step, and the run has steps after it."""
    if step <= 0:
        return False
    every = 1 if key.kept.in_file else key.kept.every
    last_due = (step - 1) // every * every
    if any(run.last_steps.get(name, -1) < last_due for name in TRAIN):
        return False
    every = key.evaluate_every_steps
    last_evaluated = step // every * every if every else 0
    return all(run.last_steps.get(name, 0) >= last_evaluated for name in VALIDATION)
