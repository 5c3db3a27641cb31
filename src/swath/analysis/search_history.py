"""What a stored search did: its trials, the rungs to which they came, and the confirming runs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from swath.analysis.ranking import mean_of
from swath.analysis.search_space import SearchedField, by_name, searched_fields
from swath.analysis.sweeps import Sweep
from swath.errors import ConfigError, SwathError
from swath.tracking import OPEN_STATUSES, StoredRun, schema

if TYPE_CHECKING:
    from swath.tracking import Reader  # MLflow takes a second


@dataclass(frozen=True)
class SearchedTrial:
    """A trial of a stored search.

    Attributes:
      number: from 0, in the order of proposals.
      round_number: from 0.
      point: what was proposed: the text of each field.
      run: its run.
      values: the objective at each rung that it has come to; it may have failed on the way to the next.
      steps: steps that it has trained.
      batch_size: images of a step.
    """

    number: int
    round_number: int
    point: Mapping[str, str]
    run: StoredRun
    values: tuple[float, ...]
    steps: int
    batch_size: int

    @property
    def has_failed(self) -> bool:
        """Whether it ended by a failure, or its last value is not a number."""
        return self.run.status == "FAILED" or (bool(self.values) and not math.isfinite(self.values[-1]))

    @property
    def value(self) -> float:
        """The objective at the last rung that it has come to; NaN if it has none, or has failed."""
        return self.values[-1] if self.values and not self.has_failed else math.nan

    @property
    def why(self) -> str:
        """Why it ended, in one line."""
        if self.run.status in OPEN_STATUSES:
            return "it is running, or was cut off"
        if self.run.status == "FINISHED":
            return self.run.tags.get(schema.SEARCH_WHY, "no reason was stored")
        reason = self.run.tags.get(schema.ERROR, "no reason was stored")
        return f"{self.run.status.lower()} after {self.steps:,} steps: {reason}"

    @property
    def named(self) -> str:
        """What was proposed: `learning_rate=6.3e-07 batch_size=100`."""
        return " ".join(f"{name}={text}" for name, text in self.point.items())


@dataclass(frozen=True)
class RungRow:
    """What became of the trials of a round at a rung.

    Attributes:
      round_number: from 0.
      steps: of the rung.
      came: trials that were trained towards it, with those that failed on the way.
      went_on: trials that went on to the next; at the last rung, those that ended there.
      failed: trials that failed on the way to it, or there.
      bar: value of the last trial that went on; None if none did.
    """

    round_number: int
    steps: int
    came: int
    went_on: int
    failed: int
    bar: float | None


@dataclass(frozen=True)
class Finalist:
    """A trial that was trained again with other seeds.

    Attributes:
      trial: the trial.
      values: the objective with its own seed, then with each other seed.
    """

    trial: SearchedTrial
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return mean_of(self.values)


@dataclass(frozen=True)
class SearchHistory:
    """A stored search.

    Attributes:
      fields: what it looked through.
      rungs: steps of each rung; the last is the full length.
      factor: one trial of this many went on.
      objective: metric that ranked trials.
      sampler: name of the sampler.
      tests_all: whether every trial was evaluated on the test images.
      trials: by number.
      confirming: the confirming runs that finished, by the number of the finalist.
    """

    fields: tuple[SearchedField, ...]
    rungs: tuple[int, ...]
    factor: int
    objective: str
    sampler: str
    tests_all: bool
    trials: tuple[SearchedTrial, ...]
    confirming: Mapping[int, Sequence[StoredRun]] = field(default_factory=dict)

    @property
    def sign(self) -> float:
        """1 if larger values are better, else -1."""
        return 1.0 if schema.larger_is_better(self.objective) else -1.0

    @property
    def named_fields(self) -> dict[str, SearchedField]:
        """The fields by name; see `by_name`."""
        return by_name(self.fields)

    @property
    def best_first(self) -> list[SearchedTrial]:
        """The trials in the order of halving: by how far they came, then by value, then by number.

        A trial that was stopped is worse than any that went on, whatever its value: values of different
        numbers of steps are not compared. Failed ones come last.
        """

        def key(trial: SearchedTrial) -> tuple[float, ...]:
            if math.isnan(trial.value):
                return 1, 0, 0.0, trial.number
            return 0, -len(trial.values), -self.sign * trial.value, trial.number

        return sorted(self.trials, key=key)

    @property
    def finalists(self) -> list[SearchedTrial]:
        """The trials that were trained to their full length, best first."""
        return [
            trial
            for trial in self.best_first
            if len(trial.values) == len(self.rungs) and not math.isnan(trial.value)
        ]

    @cached_property
    def confirmed(self) -> list[Finalist]:
        """The finalists that have confirming runs, best mean first."""
        found = []
        for trial in self.finalists:
            runs = self.confirming.get(trial.number, ())
            others = (run.metrics.get(self.objective, math.nan) for run in runs)
            values = [value for value in others if math.isfinite(value)]
            if values:
                found.append(Finalist(trial, (trial.value, *values)))
        return sorted(found, key=lambda each: (-self.sign * each.mean, each.trial.number))

    @property
    def winner(self) -> SearchedTrial | None:
        """The best trial: by the mean over the confirming seeds, or else by halving; None if all failed."""
        if self.confirmed:
            return self.confirmed[0].trial
        return next((trial for trial in self.best_first if not math.isnan(trial.value)), None)

    def rung_rows(self) -> list[RungRow]:
        """What became of the trials, round by round and rung by rung."""
        rows = []
        for number in sorted({trial.round_number for trial in self.trials}):
            members = [trial for trial in self.trials if trial.round_number == number]
            for rung, steps in enumerate(self.rungs):
                came = [trial for trial in members if self._reached(trial) >= rung]
                on = [trial for trial in came if self._went_on(trial, rung)]
                bars = [trial.values[rung] for trial in on if len(trial.values) > rung]
                failed = sum(
                    trial.has_failed and trial not in on and self._reached(trial) == rung for trial in came
                )
                bar = (min(bars) if self.sign > 0 else max(bars)) if bars else None
                rows.append(RungRow(number, steps, len(came), len(on), failed, bar))
        return rows

    def _reached(self, trial: SearchedTrial) -> int:
        """Index of the last rung towards which a trial was trained."""
        by_steps = sum(steps < trial.steps for steps in self.rungs)
        return min(max(by_steps, len(trial.values) - 1), len(self.rungs) - 1)

    def _went_on(self, trial: SearchedTrial, rung: int) -> bool:
        """Whether a trial went on from a rung; at the last, whether it was trained to its full length."""
        if rung == len(self.rungs) - 1:
            return len(trial.values) == len(self.rungs) and not trial.has_failed
        return self._reached(trial) > rung


def history_of(reader: "Reader", sweep: Sweep) -> SearchHistory | None:
    """The history of a search; None for another sweep, or where the manifest cannot be read.

    Args:
      reader: reader of the sweep's store.
      sweep: the sweep.
    """
    trials = {int(run.tags[schema.SEARCH_TRIAL]): run for run in _of_stage(sweep, schema.TRIAL)}
    record = _record(sweep)
    if record is None or not trials:
        return None
    try:
        fields = searched_fields(record["space"], record.get("when", ()))
        rungs, objective = tuple(map(int, record["rungs"])), str(record["objective"])
        fixed = dict(line.split("=", 1) for line in record["fixed"])
        factor, sampler, tests = int(record["factor"]), str(record["sampler"]), record["test"] == "all"
    except (KeyError, TypeError, ValueError, ConfigError):
        return None
    metric = schema.RUNG_LOSS if schema.is_loss(objective) else schema.RUNG_ACCURACY
    run_ids = [run.run_id for run in trials.values()]
    curves = {curve.run_id: curve for curve in reader.curves(run_ids, [metric])}
    found = []
    for number, run in sorted(trials.items()):
        curve = curves.get(run.run_id)
        at = {} if curve is None else dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))
        found.append(_trial(number, run, [at[steps] for steps in rungs if steps in at], rungs, fixed))
    confirming: dict[int, list[StoredRun]] = {}
    for run in _of_stage(sweep, schema.CONFIRM):
        if run.status == "FINISHED":
            confirming.setdefault(int(run.tags[schema.SEARCH_TRIAL]), []).append(run)
    return SearchHistory(fields, rungs, factor, objective, sampler, tests, tuple(found), confirming)


def _of_stage(sweep: Sweep, stage: str) -> list[StoredRun]:
    return [
        run
        for run in sweep.runs
        if run.tags.get(schema.SEARCH_STAGE) == stage and run.tags.get(schema.SEARCH_TRIAL, "").isdecimal()
    ]


def stored_space(sweep: Sweep) -> tuple[SearchedField, ...]:
    """What a search of swath or of another sweeper looked through; empty for another sweep."""
    record = _record(sweep)
    tag = "" if sweep.summary_run is None else sweep.summary_run.tags.get(schema.SPACE, "")
    try:
        if record is not None:
            return searched_fields(record["space"], record.get("when", ()))
        return searched_fields(json.loads(tag), ()) if tag else ()
    except (KeyError, TypeError, ValueError, ConfigError):
        return ()


def _record(sweep: Sweep) -> dict[str, Any] | None:
    """What the manifest of a sweep says of its search; None if it is none, or the manifest says nothing."""
    from swath.tracking import read_bytes  # MLflow takes a second

    if sweep.summary_run is None or not any(schema.SEARCH_STAGE in run.tags for run in sweep.runs):
        return None
    try:
        found = json.loads(read_bytes(sweep.summary_run, schema.MANIFEST_FILE)).get("search")
    except (SwathError, ValueError, AttributeError):
        return None
    return found if isinstance(found, dict) else None


def _trial(
    number: int, run: StoredRun, values: Sequence[float], rungs: Sequence[int], fixed: Mapping[str, str]
) -> SearchedTrial:
    point = json.loads(run.tags.get(schema.SEARCH_POINT, "{}"))
    size = {**fixed, **point, **run.params}.get(schema.BATCH_SIZE, 0)
    steps = max(run.last_steps.get(schema.TRAIN_LOSS, -1) + 1, rungs[len(values) - 1] if values else 0)
    round_number = int(run.tags.get(schema.SEARCH_ROUND, 0))
    return SearchedTrial(number, round_number, point, run, tuple(values), steps, int(size))
