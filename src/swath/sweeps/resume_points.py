"""Where a run can resume: at a checkpoint, or after the last step of a finished shorter run."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from swath import training
from swath.errors import SwathError
from swath.sweeps.manifest import RunKey
from swath.tracking import Curve, MetricBatch, Reader, StoredRun, read_arrays, read_bytes, schema

TRAIN = (schema.TRAIN_ACCURACY, schema.TRAIN_LOSS)
VALIDATION = (schema.VALIDATION_ACCURACY, schema.VALIDATION_LOSS)


ResumePoint = tuple[training.TrainState | None, tuple[MetricBatch, ...]]
"""Where to resume, and the values of the steps before."""

FROM_START: ResumePoint = (None, ())


STATISTICS = ("shift", "scale")
"""Arrays beside the train state in a run's file of weights: the statistics that normalise its pixels."""

SET_ASIDE = ".unusable"
"""Added to the name of a checkpoint that cannot be read."""


class ResumePoints:
    """The checkpoints of a sweep, and the finished runs of an experiment.

    Args:
      reader: of the store.
      runs: of the experiment.
      folder: of the sweep's checkpoints; None where it has none.

    Attributes:
      set_aside: a line for each checkpoint that could not be read; damaged ones were renamed.
    """

    def __init__(self, reader: Reader, runs: Sequence[StoredRun], folder: Path | None) -> None:
        self._reader = reader
        self.set_aside: list[str] = []
        self._checkpoints: dict[str, list[training.LaneCheckpoint]] = {}
        for path in sorted(folder.glob("*.checkpoint")) if folder is not None else []:
            try:
                for lane in training.decode(path.read_bytes()):
                    self._checkpoints.setdefault(lane.key, []).append(lane)
            except training.DamagedCheckpointError as error:
                self.set_aside.append(_set_aside(path, error))
            except OSError as error:  # it may be readable the next time
                self.set_aside.append(f"checkpoint not used: {path}: {error}")
        self._shorter: dict[str, list[StoredRun]] = {}
        for run in runs:
            # The steps between those that are stored are needed for the digest of everything computed.
            if run.status == "FINISHED" and run.tags.get(schema.EVERY_STEPS) == "1":
                self._shorter.setdefault(run.tags.get(schema.LANE, ""), []).append(run)
        self._prepared: dict[tuple[str, int, int], ResumePoint] = {}

    def of(self, asked: RunKey, run: StoredRun | None) -> ResumePoint:
        """The latest step at which a configuration can resume.

        Args:
          asked: the configuration.
          run: its own interrupted run; None where there is none.
        """
        shorter = [entry for entry in self._shorter.get(asked.lane, []) if _steps(entry) < asked.max_steps]
        best = max(shorter, key=_steps, default=None)
        usable = [
            lane.state
            for lane in self._checkpoints.get(asked.lane, [])
            if run is not None and _has_all_before(run, lane.state.step, asked)
        ]
        saved = max(usable, key=lambda start: start.step, default=None)
        if saved is not None and (best is None or saved.step >= _steps(best)):
            return saved, ()
        if best is None:
            return FROM_START
        key = (best.run_id, asked.every_steps, asked.evaluate_every_steps)
        if key not in self._prepared:
            self._prepared[key] = self._after(best, asked)
        return self._prepared[key]

    def _after(self, shorter: StoredRun, asked: RunKey) -> ResumePoint:
        """The end of a finished run, which is the beginning of a longer one."""
        steps = _steps(shorter)
        curves = {
            curve.metric: curve for curve in self._reader.curves([shorter.run_id], (*TRAIN, *VALIDATION))
        }
        try:
            _check_digest(shorter)
            learned = read_arrays(shorter, schema.WEIGHTS_FILE)
        except (SwathError, KeyError, ValueError, AttributeError):
            return FROM_START
        if any(name not in curves or curves[name].steps.tolist() != list(range(steps)) for name in TRAIN):
            return FROM_START
        accuracies, losses = (curves[name].values for name in TRAIN)
        bits = training.ResultDigest()
        bits.add_steps(accuracies, losses)
        due = slice(None, None, asked.every_steps)
        blocks = [
            MetricBatch(
                0, {schema.TRAIN_ACCURACY: accuracies[due], schema.TRAIN_LOSS: losses[due]}, asked.every_steps
            )
        ]
        every = asked.evaluate_every_steps
        for step in range(every, steps + 1, every) if every else ():
            found = [_value_at(curves.get(name), step) for name in VALIDATION]
            if None in found:
                return FROM_START
            values = {name: np.array([value]) for name, value in zip(VALIDATION, found, strict=True)}
            bits.add("validation", *(float(value) for value in found if value is not None))
            blocks.append(MetricBatch(step, values))
        start = training.TrainState(
            steps,
            {name: array for name, array in learned.items() if name not in STATISTICS},
            bits.state,
            accuracies[-training.TRAIN_ACCURACY_STEPS :],
        )
        return start, tuple(blocks)


def _set_aside(path: Path, error: Exception) -> str:
    """Rename a checkpoint that cannot be read, so that nothing reads it again; says what was done."""
    renamed = path.with_name(path.name + SET_ASIDE)
    try:
        path.rename(renamed)
    except OSError:
        return f"checkpoint not used: {path}: {error}"
    return f"checkpoint not used, set aside as {renamed}: {error}"


def _check_digest(run: StoredRun) -> None:
    """Raise SwathError where the weights are not those that were stored."""
    written = json.loads(run.tags.get(schema.FILES, "{}"))
    if written.get(schema.WEIGHTS_FILE) != hashlib.sha256(read_bytes(run, schema.WEIGHTS_FILE)).hexdigest():
        raise SwathError(f"run {run.run_id}: {schema.WEIGHTS_FILE} is not the file that was stored")


def _steps(run: StoredRun) -> int:
    return int(run.params.get(schema.MAX_STEPS, "0"))


def _value_at(curve: Curve | None, step: int) -> float | None:
    found = [] if curve is None else curve.values[curve.steps == step].tolist()
    return found[0] if found else None


def _has_all_before(run: StoredRun, step: int, asked: RunKey) -> bool:
    """Whether the store has all values of a run before a step, and the run has steps after it."""
    if not 0 < step < asked.max_steps:
        return False
    last_due = (step - 1) // asked.every_steps * asked.every_steps
    if any(run.last_steps.get(name, -1) < last_due for name in TRAIN):
        return False
    every = asked.evaluate_every_steps
    last_evaluated = step // every * every if every else 0
    return all(run.last_steps.get(name, 0) >= last_evaluated for name in VALIDATION)
