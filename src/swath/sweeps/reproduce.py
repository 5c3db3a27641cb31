"""Trains stored runs again from their configs."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath import tracking
from swath.analysis import LATEST, RunValues, ending, named_arrays, stored_values
from swath.config import (
    METRICS,
    SCHEMA_VERSION,
    KeptSteps,
    TrainConfig,
    at_steps,
    computed_values,
    default_sweep_config,
    fingerprint,
    read_stored_config,
)
from swath.datasets import DataKey, Dataset, forget_files, load_intact
from swath.errors import ConfigError, SwathError
from swath.execution import Observer, Paused, RunRequest, RunResult, SweepInfo, Trial
from swath.planning import LaneWidths, memory_for_groups, read_verified
from swath.sweeps.observers import SynchronizedObserver
from swath.system import available_bytes
from swath.tracking import schema

if TYPE_CHECKING:
    from swath.execution import Runner

KINDS = ("run", "reproduction")

NEEDED_FILES = (schema.CONFIG_FILE, schema.OVERRIDES_FILE, schema.ENVIRONMENT_FILE)
"""Files that every run has, whatever its status."""


class CannotReproduceError(SwathError):
    """A run cannot be repeated or compared; the message states what is missing."""

    exit_status = 2


@dataclass(frozen=True)
class Original:
    """A run to reproduce.

    Attributes:
      run: the stored run.
      config: the configuration to train.
      kept: which of its steps were stored, and where.
      numbers: its stored values.
    """

    run: tracking.StoredRun
    config: TrainConfig
    kept: KeptSteps
    numbers: RunValues


def original_of(reader: tracking.Reader, run: tracking.StoredRun, config: TrainConfig | None) -> Original:
    """Read and check a run to reproduce.

    Args:
      reader: reader of its store.
      run: the run.
      config: a configuration to train instead of the stored one; None for the stored one.

    Raises:
      CannotReproduceError: something is missing, or the store contradicts itself.
    """
    _check_kind(run)
    stored = _stored_config(run)
    _check_files(run)
    every_steps = run.tags.get(schema.EVERY_STEPS, "1")
    if not (every_steps.isdecimal() and int(every_steps)):
        raise CannotReproduceError(f"its tag {schema.EVERY_STEPS} is damaged")
    try:
        numbers = stored_values(reader, run)
    except SwathError as error:
        raise CannotReproduceError(str(error)) from error
    if _is_trial(run):
        numbers.curves.update(_values_at_rungs(reader, run))
    kept = KeptSteps(int(every_steps), run.tags.get(schema.CURVES, METRICS))
    return Original(run, config or stored, kept, numbers)


def _is_trial(run: tracking.StoredRun) -> bool:
    return run.tags.get(schema.SEARCH_STAGE) == schema.TRIAL


def _values_at_rungs(reader: tracking.Reader, run: tracking.StoredRun) -> dict[str, tracking.Curve]:
    """The curves by which a search decided of a trial, and their entries in the table of latest metrics."""
    found = {curve.metric: curve for curve in reader.curves([run.run_id], schema.RUNGS)}
    for name in schema.RUNGS:
        if name in run.metrics:
            last = np.array([run.last_steps.get(name, 0)], np.int64), np.array([run.metrics[name]])
            found[f"{LATEST}{name}"] = tracking.Curve(run.run_id, name, *last)
    return found


def _check_kind(run: tracking.StoredRun) -> None:
    if run.tags.get(schema.KIND) not in KINDS:
        raise CannotReproduceError("it is not a run of one configuration made by swath")
    version = run.tags.get(schema.CONFIG_SCHEMA, "")
    if version != SCHEMA_VERSION:
        newer = version.isdecimal() and int(version) > int(SCHEMA_VERSION)
        raise CannotReproduceError(
            f"made by {'a newer' if newer else 'another'} version of swath ({run.tags.get(schema.VERSION)}, "
            f"config schema {version or 'unknown'}; this one reads {SCHEMA_VERSION})"
        )
    reason = run.tags.get(schema.ERROR, "")
    if run.status != "FINISHED" and not (run.status == "FAILED" and reason.startswith("diverged")):
        raise CannotReproduceError(f"it is {run.status}{': ' if reason else ''}{reason}")


def _stored_config(run: tracking.StoredRun) -> TrainConfig:
    """The stored config of a run, checked against its params and fingerprint."""
    try:
        text = tracking.read_bytes(run, schema.CONFIG_FILE).decode(errors="replace")
        config = read_stored_config(text, schema.CONFIG_FILE)
    except ConfigError as error:
        raise CannotReproduceError("; ".join(error.mistakes)) from error
    except SwathError as error:
        raise CannotReproduceError(str(error)) from error
    values = {name: str(value) for name, value in computed_values(config).items()}
    for name, value in values.items():
        if run.params.get(name) != value:
            raise CannotReproduceError(
                f"the store contradicts itself: {name} is {value} in {schema.CONFIG_FILE}, "
                f"{run.params.get(name)} in the params"
            )
    if fingerprint(config) != run.tags.get(schema.FINGERPRINT):
        raise CannotReproduceError(
            f"the store contradicts itself: {schema.CONFIG_FILE} has a different fingerprint"
        )
    return config


def _check_files(run: tracking.StoredRun) -> None:
    """Compare the files of a run with the digests that were stored with it."""
    written = _stored_json(run, schema.FILES, dict)
    # The names come from the store, so only names of files that swath writes are read.
    if unknown := [name for name in written if name not in tracking.WRITTEN]:
        raise CannotReproduceError(f"its tag {schema.FILES} names an unknown file: {unknown[0]!r}")
    for name in {**dict.fromkeys(NEEDED_FILES), **written}:
        try:
            content = tracking.read_bytes(run, name)
        except SwathError as error:
            raise CannotReproduceError(str(error)) from error
        if name in written and hashlib.sha256(content).hexdigest() != written[name]:
            raise CannotReproduceError(f"{name} is not the file that was stored: its digest differs")


def _stored_json(run: tracking.StoredRun, tag: str, kind: type) -> Any:
    try:
        value = json.loads(run.tags.get(tag, json.dumps(kind())))
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise CannotReproduceError(f"its tag {tag} is damaged")
    return value


class Repeater:
    """Repeats runs; keeps data and compiled programs between calls.

    Args:
      sweep_info: metadata that the repetitions share.
      recorder: records the runs in memory.
      observer: receives events.
      data_dir: place of the images; None for the default places.
    """

    def __init__(
        self,
        sweep_info: SweepInfo,
        recorder: tracking.Tracker,
        observer: Observer,
        data_dir: Path | None = None,
    ) -> None:
        forget_files()
        self._data_dir = None if data_dir is None else str(data_dir)
        self._datasets: dict[DataKey, Dataset] = {}
        self._sweep_info = sweep_info
        self._recorder = recorder
        self._observer = observer
        self._runner: Runner | None = None
        self._environment = tracking.environment_tags()

    def check_data(self, original: Original) -> None:
        """Load the data set of a run and check that it is the one that the run was trained on.

        Raises:
          CannotReproduceError: the data is missing or different.
        """
        key = original.config.data.key
        try:
            if key not in self._datasets:
                self._datasets[key] = load_intact(key, self._data_dir)
        except SwathError as error:
            raise CannotReproduceError(f"its data cannot be loaded: {error}") from error
        digest, expected = self._datasets[key].digest, original.run.tags.get(schema.DATA_DIGEST)
        if digest != expected:
            raise CannotReproduceError(
                "its data differs from what it was trained on: "
                f"digest {digest[:16]}, not {str(expected)[:16]}"
            )

    def repeat(self, originals: Sequence[Original]) -> list[tuple[RunResult, RunValues | None]]:
        """Train the configurations of runs whose data has been checked.

        Returns:
          Result and values of each run; the values are None if the repetition has no result digest.
        """
        if self._runner is None:
            from swath.execution import Runner, ThreadExecutor  # TensorFlow takes seconds

            verified = read_verified()
            self._runner = Runner(
                self._sweep_info,
                self._recorder,
                self._datasets,
                SynchronizedObserver(self._observer),
                ThreadExecutor(self._datasets, verified),
                LaneWidths(
                    default_sweep_config().lanes.max,
                    memory_for_groups(available_bytes()),
                    verified,
                    self._datasets,
                ),
            )
        going = {index: _first_request(each) for index, each in enumerate(originals)}
        results: dict[int, RunResult] = {}
        while going:
            futures: list[Future[RunResult]] = [Future() for _ in going]
            self._runner.start(list(going.values()), futures)
            for index, future in zip(going, futures, strict=True):
                results[index] = future.result()
            going = {
                index: _next_request(originals[index], request, results[index].paused, results[index])
                for index, request in going.items()
                if results[index].paused is not None
            }
        return [(results[index], self._numbers(results[index], each)) for index, each in enumerate(originals)]

    def stop(self) -> None:
        """Stop training after the current segment."""
        if self._runner is not None:
            self._runner.stop()

    def _numbers(self, result: RunResult, original: Original) -> RunValues | None:
        recorded = result.logger
        if (
            not isinstance(recorded, tracking.InMemoryRunLogger)
            or recorded.summary is None
            or not result.digest
        ):
            return None
        compared = schema.RUNGS if _is_trial(original.run) else ()
        series = {
            name: values
            for name, values in recorded.series().items()
            if name in compared or not schema.is_measured(name)
        }
        curves = {name: tracking.Curve("", name, *values) for name, values in series.items()}
        for name, (steps, values) in series.items():
            curves[f"{LATEST}{name}"] = tracking.Curve("", name, steps[-1:], values[-1:])
        artifacts = recorded.summary.artifacts
        arrays = {} if artifacts is None else named_arrays(artifacts.learned(), artifacts.predicted())
        tags = {
            **self._environment,
            **tracking.runtime_tags(),
            **tracking.model_code_tags([result.config]),
            schema.DATA_DIGEST: self._datasets[result.config.data.key].digest,
        }
        how = ending(result.status, {schema.ERROR: result.error or ""})
        params = {name: str(value) for name, value in computed_values(original.config).items()}
        return RunValues(
            params, tracking.provenance_of(tags), how, curves, arrays, original.numbers.every_steps
        )


def _first_request(original: Original) -> RunRequest:
    """The training of a run; of a trial of a search, up to its first rung."""
    request = RunRequest(original.config, kept=original.kept)
    return _to_rung(original, request, 0) if _is_trial(original.run) else request


def _next_request(
    original: Original, before: RunRequest, paused: Paused | None, result: RunResult
) -> RunRequest:
    """The training of a trial from one rung to the next."""
    assert paused is not None
    request = replace(before, start=paused.going_on, logger=result.logger)
    return _to_rung(original, request, before.config.max_steps)


def _to_rung(original: Original, request: RunRequest, done: int) -> RunRequest:
    """A request up to the next rung at which the search has a value, or to the end.

    What a search has not evaluated on the test images is evaluated at the end, outside the digest.
    """
    curve = original.numbers.curves.get(schema.RUNG_ACCURACY)
    rungs = [] if curve is None else sorted(map(int, curve.steps))
    end = original.config.max_steps
    if original.run.status == "FAILED" and rungs and schema.SEARCH_WHY in original.run.tags:
        end = rungs[-1]  # its loss was not finite at the rung where it ended; it keeps the proposed length
    steps = next((step for step in rungs if done < step < end), end)
    tags, tests = original.run.tags, schema.TEST_ACCURACY in original.run.metrics
    number, round_number = (
        int(text) if text.isdecimal() else 0
        for text in (tags.get(schema.SEARCH_TRIAL, ""), tags.get(schema.SEARCH_ROUND, ""))
    )
    point = tags.get(schema.SEARCH_POINT, "")
    trial = Trial(number, round_number, point, original.config, steps == end, tests, shows_test=steps == end)
    return replace(request, config=at_steps(original.config, steps), trial=trial)
