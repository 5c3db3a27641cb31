"""The sweeps of a store, and the configurations of a sweep."""

import difflib
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from swath.analysis.lines import fitting_names
from swath.analysis.ranking import configuration_of, latest, mean_of, ordered, repetition_of
from swath.errors import UsageError
from swath.tracking import StoredRun, current_user, schema

if TYPE_CHECKING:
    from swath.tracking import Reader  # MLflow takes a second

NO_SWEEPS = "the store contains no sweep yet; start one with: swath -cn quickstart"
"""Error for a store without sweeps."""


MOST_OWNERS = 3
"""Owners that a heading names."""


def local_date(milliseconds: float) -> str:
    """A time for people: `2026-01-31 18:00`."""
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class Sweep:
    """The runs of one command.

    Attributes:
      name: name of the sweep, `ad-hoc` or `single`.
      sweep_id: unique per command.
      runs: one run per configuration, in the order of their start.
      summary_run: the run that summarizes the sweep; None for a single run or several sweeps as one.
      commands: number of sweeps that this is.
    """

    name: str
    sweep_id: str
    runs: tuple[StoredRun, ...]
    summary_run: StoredRun | None
    commands: int = 1

    @property
    def start_ms(self) -> int:
        """Start of the sweep, in milliseconds since 1970."""
        return min(run.start_ms for run in self._all)

    @property
    def any_run(self) -> StoredRun:
        """A run of the sweep."""
        return self._all[0]

    @property
    def experiment_ids(self) -> tuple[str, ...]:
        """MLflow's experiment ids: one, except for several sweeps as one."""
        return tuple(dict.fromkeys(run.experiment_id for run in self._all))

    @property
    def status(self) -> str:
        """`RUNNING` while any run is; else the status of the summary run, or the worst of its runs."""
        statuses = {run.status for run in self._all}
        if "RUNNING" in statuses:
            return "RUNNING"
        if self.summary_run is not None:
            return self.summary_run.status
        return next((status for status in ("KILLED", "FAILED") if status in statuses), "FINISHED")

    @property
    def owner(self) -> str:
        """The user who started it; empty if unknown."""
        return (self.summary_run or self.any_run).tags.get(schema.USER, "")

    @property
    def duration_s(self) -> float:
        """Seconds that its command took, when it last trained something; NaN if unknown."""
        tags = {} if self.summary_run is None else self.summary_run.tags
        if schema.WALL_S in tags:
            return float(tags[schema.WALL_S])
        ends = [run.end_ms for run in self._all if run.end_ms is not None]
        return (max(ends) - self.start_ms) / 1000 if ends and self.status != "RUNNING" else math.nan

    def heading(self, store: str) -> str:
        """Which sweep this is: name, id, date, owner and store.

        Args:
          store: address of the store without passwords.
        """
        date = local_date(self.start_ms)
        if self.commands == 1:
            owner = f" by {self.owner}" if self.owner else ""
            return f"Sweep {self.name} {self.sweep_id} of {date}{owner}, in {store}"
        owners = list(dict.fromkeys(filter(None, (run.tags.get(schema.USER) for run in self._all))))
        more = f" and {len(owners) - MOST_OWNERS} others" if len(owners) > MOST_OWNERS else ""
        by = f" by {', '.join(owners[:MOST_OWNERS])}{more}" if owners else ""
        last = local_date(max(run.start_ms for run in self._all))
        return f"All {self.commands} sweeps {self.name} of {date} to {last}{by}, in {store}"

    @property
    def counts(self) -> Counter[str]:
        """Number of runs per status."""
        return Counter(run.status for run in self.runs)

    @property
    def swept(self) -> tuple[str, ...]:
        """The fields that vary, by dotted name."""
        fields = dict.fromkeys(name for run in self.runs for name in run.params)
        return tuple(field for field in fields if len({run.params.get(field) for run in self.runs}) > 1)

    @property
    def finished(self) -> tuple[StoredRun, ...]:
        """The runs with status `FINISHED`."""
        return tuple(run for run in self.runs if run.status == "FINISHED")

    @property
    def _all(self) -> tuple[StoredRun, ...]:
        return self.runs if self.summary_run is None else (*self.runs, self.summary_run)


def sweeps_of(runs: Iterable[StoredRun]) -> list[Sweep]:
    """Group runs by sweep, oldest sweep first; ignores runs that swath did not create."""
    found: dict[str, list[StoredRun]] = {}
    for run in runs:
        if sweep_id := run.tags.get(schema.SWEEP_ID):
            found.setdefault(sweep_id, []).append(run)
    sweeps = []
    for sweep_id, members in found.items():
        summary = next((run for run in members if run.tags.get(schema.KIND) == "sweep"), None)
        configurations = [run for run in members if run.tags.get(schema.KIND) == "run"]
        asked_for = "" if summary is None else summary.tags.get(schema.ASKED_FOR, "")
        if asked_for.isdecimal() and len(configurations) > int(asked_for):
            # Runs were deleted, trained again by a resume, and restored.
            configurations = latest(configurations)
        if configurations or summary is not None:
            name = members[0].tags.get(schema.SWEEP, "")
            sweeps.append(Sweep(name, sweep_id, tuple(configurations), summary))
    return sorted(sweeps, key=lambda sweep: sweep.start_ms)


def all_sweeps(reader: "Reader") -> list[Sweep]:
    """Every sweep of a store, oldest first."""
    return sweeps_of(reader.runs({schema.SWEEP_ID: None}))


def find_sweep(reader: "Reader", name: str) -> Sweep:
    """The sweep with this id, or the latest with this name: one's own, or else anyone's.

    Raises:
      UsageError: there is no such sweep; the message names similar ones.
    """
    if by_id := sweeps_of(reader.runs({schema.SWEEP_ID: name})):
        return by_id[-1]
    if by_name := sweeps_of(reader.runs({schema.SWEEP: name})):
        user = current_user()
        return ([sweep for sweep in by_name if sweep.owner == user] or by_name)[-1]
    raise _unknown(reader, name)


def all_of(reader: "Reader", name: str) -> Sweep:
    """All sweeps with this name as one; of a repeated run only the latest.

    Raises:
      UsageError: there is no such sweep; the message names similar ones.
    """
    found = sweeps_of(reader.runs({schema.SWEEP: name}))
    if not found:
        raise _unknown(reader, name)
    runs = latest(run for sweep in found for run in sweep.runs)
    return Sweep(name, found[-1].sweep_id, tuple(runs), None, len(found))


def _unknown(reader: "Reader", name: str) -> UsageError:
    sweeps = all_sweeps(reader)
    if not sweeps:
        return UsageError(NO_SWEEPS)
    return UsageError(f"no sweep {name!r} in this store; {_nearest(sweeps, name)}")


def _nearest(sweeps: Sequence[Sweep], name: str) -> str:
    names = list(dict.fromkeys(sweep.name for sweep in reversed(sweeps)))
    near = difflib.get_close_matches(name, [*names, *(sweep.sweep_id for sweep in sweeps)], n=3)
    if near:
        return f"nearest: {', '.join(near)}"
    return fitting_names("expected one of ", names, MOST_OF_LINE)


MOST_OF_LINE = 60
"""Characters of a list of names that stands at the end of a line."""


def run_with(reader: "Reader", run_id: str) -> StoredRun:
    """The run with this id, or the only run whose id starts with it.

    Raises:
      UsageError: there is no such run, or several.
    """
    if not run_id:
        raise UsageError("expected a run id or its first characters")
    found = reader.run(run_id)
    if found is not None:
        return found
    near = [run for run in reader.runs({schema.KIND: "run"}) if run.run_id.startswith(run_id)]
    if len(near) == 1:
        return near[0]
    if near:
        raise UsageError(f"run {run_id}: {len(near)} run ids start with this; type more characters")
    raise UsageError(f"no run {run_id} in this store; list run ids with: swath-compare SWEEP --format csv")


@dataclass(frozen=True)
class Spread:
    """Repetitions of a value with several seeds.

    Attributes:
      mean: their mean.
      std: sample standard deviation (n - 1); NaN for a single value.
      count: number of values.
    """

    mean: float
    std: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of one or more values; of equal values exactly that value, and 0."""
    mean = mean_of(values)
    std = math.nan  # also that of infinite losses
    if len(values) > 1 and math.isfinite(mean):
        std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return Spread(mean, std, len(values))


@dataclass(frozen=True)
class Configuration:
    """Runs that differ only in their seed.

    Attributes:
      members: all runs.
      by_seed: the latest run for each seed.
    """

    members: tuple[StoredRun, ...]
    by_seed: dict[str, StoredRun]

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Mean and standard deviation over seeds, per metric; ignores NaN."""
        values: dict[str, list[float]] = {}
        for run in self.by_seed.values():
            for name, value in run.metrics.items():
                if not math.isnan(value):
                    values.setdefault(name, []).append(value)
        return {name: spread(found) for name, found in values.items()}


def group_by_configuration(runs: Sequence[StoredRun]) -> list[Configuration]:
    """Group runs by configuration, in the order of each configuration's first run."""
    found: dict[Hashable, list[StoredRun]] = {}
    for run in runs:
        found.setdefault(configuration_of(run.params), []).append(run)
    return [
        Configuration(tuple(members), {repetition_of(run.params): run for run in latest(members)})
        for members in found.values()
    ]


def repeated_configurations(runs: Sequence[StoredRun]) -> list[Configuration]:
    """See `group_by_configuration`; none if no configuration was trained with more than one seed."""
    if len({repetition_of(run.params) for run in runs}) < 2:
        return []
    found = group_by_configuration(runs)
    return found if any(len(configuration.by_seed) > 1 for configuration in found) else []


def have_several_seeds(runs: Sequence[StoredRun]) -> bool:
    """Whether any configuration was trained with more than one seed."""
    return bool(repeated_configurations(runs))


def ordered_configurations(runs: Sequence[StoredRun], metric: str) -> list[Configuration]:
    """Configurations, best mean first."""
    return group_by_configuration(ordered(runs, metric))
