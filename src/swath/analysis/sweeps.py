"""The sweeps of a store, and which one is meant."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swath.analysis.ranking import latest, ordered
from swath.errors import SwathError
from swath.tracking import Reader, StoredRun, schema


@dataclass(frozen=True)
class Sweep:
    """The runs of one command.

    Attributes:
      name: of the named sweep, `ad-hoc` or `single`.
      sweep_id: unique per command.
      runs: its configurations, in the order in which they began.
      own: the sweep's own run; None where it has none.
    """

    name: str
    sweep_id: str
    runs: tuple[StoredRun, ...]
    own: StoredRun | None

    @property
    def start_ms(self) -> int:
        """When it began, in milliseconds since 1970."""
        return min(run.start_ms for run in self._all)

    @property
    def experiment_ids(self) -> tuple[str, ...]:
        """MLflow's ids of the experiments of its runs; one, but for several sweeps looked at as one."""
        return tuple(dict.fromkeys(run.experiment_id for run in self._all))

    @property
    def status(self) -> str:
        """`RUNNING` while one of its runs is; else how its own run, or the worst of its runs, ended."""
        statuses = {run.status for run in self._all}
        if "RUNNING" in statuses:
            return "RUNNING"
        if self.own is not None:
            return self.own.status
        return next((status for status in ("KILLED", "FAILED") if status in statuses), "FINISHED")

    @property
    def counts(self) -> Counter[str]:
        """How many of its runs have each status."""
        return Counter(run.status for run in self.runs)

    @property
    def swept(self) -> tuple[str, ...]:
        """The fields that vary, by dotted name."""
        fields = dict.fromkeys(name for run in self.runs for name in run.params)
        return tuple(field for field in fields if len({run.params.get(field) for run in self.runs}) > 1)

    @property
    def finished(self) -> tuple[StoredRun, ...]:
        """Its runs that came to their end."""
        return tuple(run for run in self.runs if run.status == "FINISHED")

    @property
    def best(self) -> StoredRun | None:
        """The best of its finished runs; None where none has finished."""
        return next(iter(ordered(self.finished)), None)

    @property
    def _all(self) -> tuple[StoredRun, ...]:
        return self.runs if self.own is None else (*self.runs, self.own)


def sweeps_of(runs: Iterable[StoredRun]) -> list[Sweep]:
    """Runs gathered into sweeps, oldest first; runs that swath did not make are left out."""
    found: dict[str, list[StoredRun]] = {}
    for run in runs:
        if sweep_id := run.tags.get(schema.SWEEP_ID):
            found.setdefault(sweep_id, []).append(run)
    sweeps = []
    for sweep_id, members in found.items():
        own = next((run for run in members if run.tags.get(schema.KIND) == "sweep"), None)
        configurations = tuple(run for run in members if run.tags.get(schema.KIND) == "run")
        if configurations or own is not None:
            name = members[0].tags.get(schema.SWEEP, "")
            sweeps.append(Sweep(name, sweep_id, configurations, own))
    return sorted(sweeps, key=lambda sweep: sweep.start_ms)


def all_sweeps(reader: Reader) -> list[Sweep]:
    """Every sweep of a store, oldest first."""
    return sweeps_of(reader.runs({schema.SWEEP_ID: None}))


def find_sweep(reader: Reader, name: str) -> Sweep:
    """The sweep with this id, or the latest with this name.

    Raises:
      SwathError: there is none; it says which there are.
    """
    if by_id := sweeps_of(reader.runs({schema.SWEEP_ID: name})):
        return by_id[-1]
    if by_name := sweeps_of(reader.runs({schema.SWEEP: name})):
        return by_name[-1]
    raise _unknown(reader, name)


def all_of(reader: Reader, name: str) -> Sweep:
    """All sweeps with this name as one; of a run that was repeated the latest.

    Raises:
      SwathError: there is none; it says which there are.
    """
    found = sweeps_of(reader.runs({schema.SWEEP: name}))
    if not found:
        raise _unknown(reader, name)
    runs = latest(run for sweep in found for run in sweep.runs)
    return Sweep(name, found[-1].sweep_id, tuple(runs), None)


def _unknown(reader: Reader, name: str) -> SwathError:
    sweeps = all_sweeps(reader)
    if not sweeps:
        return SwathError("the store holds no sweep yet; make one: swath -cn quickstart")
    return SwathError(f"no sweep {name!r} in this store; {_nearest(sweeps, name)}")


def _nearest(sweeps: Sequence[Sweep], name: str) -> str:
    names = list(dict.fromkeys(sweep.name for sweep in sweeps))
    near = difflib.get_close_matches(name, [*names, *(sweep.sweep_id for sweep in sweeps)], n=3)
    return f"nearest: {', '.join(near)}" if near else f"there are: {', '.join(names)}"


def run_with(reader: Reader, run_id: str) -> StoredRun:
    """The run with this id, or the only one whose id begins so.

    Raises:
      SwathError: there is none, or there are several.
    """
    if not run_id:
        raise SwathError("expected the id of a run, or its beginning")
    found = reader.run(run_id)
    if found is not None:
        return found
    near = [run for run in reader.runs({schema.KIND: "run"}) if run.run_id.startswith(run_id)]
    if len(near) == 1:
        return near[0]
    if near:
        raise SwathError(f"run {run_id}: {len(near)} runs begin so; type more of the id")
    raise SwathError(f"no run {run_id} in this store; swath-compare SWEEP --format csv shows ids")
