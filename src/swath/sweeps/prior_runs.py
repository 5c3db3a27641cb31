"""Results of earlier commands that a resume can use. Runs in the tracking process."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from swath import tracking
from swath.errors import SwathError
from swath.sweeps.manifest import (
    Manifest,
    PriorRun,
    PriorSweep,
    ResumeRequest,
    RunKey,
    environment_changes,
    read_manifest,
)
from swath.sweeps.resume_points import ResumePoints
from swath.system import hide_passwords
from swath.tracking import schema

ENDING_S = 60.0
"""Seconds that a tracking process may need to store what its dead training process had sent."""

OPEN = ("RUNNING", "SCHEDULED")


class PriorRuns:
    """The runs of one experiment that a sweep can resume or reuse.

    Args:
      reader: of the store.
      experiment_id: of the experiment.
      asked: the sweep.

    Raises:
      SwathError: the sweep is running, or its results would not be bit-identical to those that are stored.
    """

    def __init__(self, reader: tracking.Reader, experiment_id: str, asked: ResumeRequest) -> None:
        self._reader = reader
        self._experiment_id = experiment_id
        self._asked = asked
        self._used: set[str] = set()
        self.sweep: PriorSweep | None
        self._read()
        while self._wait_for_running():
            self._read()  # with what was stored meanwhile
        folder = Path(asked.checkpoints) / self.sweep.sweep_id if self.sweep else None
        usable = [run for run in self._runs if self._is_comparable(run)]
        self._starts = ResumePoints(reader, usable, folder)
        if self.sweep is not None:
            self.sweep = replace(self.sweep, set_aside=tuple(self._starts.set_aside))

    def _read(self) -> None:
        found = self._reader.runs({schema.SWEEP_ID: None})
        runs = [run for run in found if run.experiment_id == self._experiment_id]
        self._runs = [run for run in runs if run.tags.get(schema.KIND) == "run"]
        self._own = [run for run in runs if run.tags.get(schema.KIND) == "sweep"]
        self.sweep = self._find_sweep()

    def _is_comparable(self, run: tracking.StoredRun) -> bool:
        """Whether nothing that can change a number has changed since a run was made."""
        names = [name for name in tracking.RESULT_AFFECTING if name != schema.DATA_DIGEST]
        same = all(run.tags.get(name) == self._asked.facts.get(name) for name in names)
        return same or self._asked.force

    def before(self, asked: Sequence[RunKey]) -> list[PriorRun]:
        """What is stored of each configuration, in the same order; no run belongs to two of them."""
        unused: dict[tuple[str, str], list[tracking.StoredRun]] = {}
        for run in sorted(self._runs, key=self._worth):
            unused.setdefault(_identity(run), []).append(run)
        return [self._before(entry, unused.get(entry.identity, [])) for entry in asked]

    def others(self) -> list[tuple[dict[str, str], PriorRun]]:
        """The runs of the sweep that belong to no configuration of this command: params and state."""
        if self.sweep is None:
            return []
        of_sweep = [run for run in self._runs if run.tags[schema.SWEEP_ID] == self.sweep.sweep_id]
        return [
            (run.params, PriorRun(run.run_id, run.status, run.tags.get(schema.ERROR), run.metrics, run.tags))
            for run in of_sweep
            if run.run_id not in self._used
        ]

    def _before(self, asked: RunKey, candidates: list[tracking.StoredRun]) -> PriorRun:
        mine = self.sweep.sweep_id if self.sweep is not None else None
        usable = [run for run in candidates if run.status == "FINISHED" or run.tags[schema.SWEEP_ID] == mine]
        run = usable[-1] if usable else None
        if run is not None:
            candidates.remove(run)
            self._used.add(run.run_id)
            if run.status == "FINISHED":
                return PriorRun(run.run_id, run.status, None, run.metrics, run.tags)
        start, prefix_metrics = self._starts.of(asked, run)
        if run is None:
            return PriorRun(start=start, prefix_metrics=prefix_metrics)
        error = run.tags.get(schema.ERROR)
        return PriorRun(run.run_id, run.status, error, {}, run.tags, start, prefix_metrics)

    @staticmethod
    def _worth(run: tracking.StoredRun) -> tuple[bool, int, int]:
        return run.status == "FINISHED", run.last_steps.get(schema.TRAIN_LOSS, -1), run.start_ms

    def _find_sweep(self) -> PriorSweep | None:
        """The latest command of this name that has a configuration in common with this one."""
        fingerprints = {run.fingerprint for run in self._asked.runs}
        named = [run for run in self._runs if run.tags.get(schema.SWEEP) == self._asked.name]
        if not self._asked.is_grid:
            cut_off = [run for run in named if run.status != "FINISHED" and _identity(run)[0] in fingerprints]
            if not cut_off:
                return None
            return PriorSweep(cut_off[-1].tags[schema.SWEEP_ID], None, self._changes(cut_off[-1].tags))
        for own in reversed(self._own):
            if own.tags.get(schema.SWEEP) != self._asked.name:
                continue
            sweep_id, manifest = own.tags[schema.SWEEP_ID], _manifest(own)
            started = {_identity(run)[0] for run in named if run.tags[schema.SWEEP_ID] == sweep_id}
            planned = set() if manifest is None else {first for first, _ in manifest.identities}
            if fingerprints & (started | planned):
                changes = self._changes(own.tags if manifest is None else manifest.facts, manifest)
                return PriorSweep(sweep_id, own.run_id, changes, manifest)
        return None

    def _changes(self, before: dict[str, str], manifest: Manifest | None = None) -> tuple[str, ...]:
        serious, others = environment_changes(before, self._asked.facts)
        every = {run.every_steps for run in self._asked.runs}
        if manifest is not None and {manifest.every_steps} != every:
            serious.append(f"tracking.every_steps: {manifest.every_steps}, now {min(every)}")
        if serious and not self._asked.force:
            raise SwathError(
                f"changed since this sweep started: {'; '.join(serious)}. The results would not be "
                "bit-identical; start a new sweep without resume, or add "
                "force_resume=true to resume it all the same"
            )
        return (*serious, *others)

    def _wait_for_running(self) -> bool:
        """Raise where another process is training these runs; True if one ended while this call waited.

        Raises:
          SwathError: a process is training it, or may be training it on another machine.
        """
        identities = {run.identity for run in self._asked.runs}
        waited = False
        for run in [*self._concerned(self._own), *self._concerned(self._runs)]:
            concerns = self._asked.is_grid and run in self._own and self._overlaps(run, identities)
            mine = self.sweep is not None and run.tags[schema.SWEEP_ID] == self.sweep.sweep_id
            if not (concerns or mine or _identity(run) in identities):
                continue
            if tracking.is_elsewhere(run.tags):
                if self._asked.force:
                    continue
                raise SwathError(
                    f"{_what(run)} is running on {run.tags.get(schema.HOST)}, or was interrupted there; "
                    "if you are sure that it is not running: resume=yes force_resume=true"
                )
            if not tracking.wait_for_end(run.tags, ENDING_S):
                pid, command = run.tags.get(schema.PID), run.tags.get(schema.COMMAND, "swath")
                raise SwathError(
                    f"{_what(run)} is being trained by process {pid} ({hide_passwords(command)}); wait until "
                    f"it ends, or stop it: kill {pid}"
                )
            waited = True
        return waited

    def _overlaps(self, own: tracking.StoredRun, identities: set[tuple[str, str]]) -> bool:
        manifest = _manifest(own)
        return manifest is not None and bool(manifest.identities & identities)

    @staticmethod
    def _concerned(runs: Iterable[tracking.StoredRun]) -> list[tracking.StoredRun]:
        return [run for run in runs if run.status in OPEN and tracking.is_alive(run.tags)]


def _identity(run: tracking.StoredRun) -> tuple[str, str]:
    return run.tags.get(schema.FINGERPRINT, ""), run.tags.get(schema.DATA_DIGEST, "")


def _what(run: tracking.StoredRun) -> str:
    sweep = f"sweep {run.tags.get(schema.SWEEP)} {run.tags.get(schema.SWEEP_ID)}"
    return sweep if run.tags.get(schema.KIND) == "sweep" else f"run {run.run_id} of {sweep}"


def _manifest(own: tracking.StoredRun) -> Manifest | None:
    """The manifest of a sweep; None if it was interrupted before it had one, or the manifest is damaged."""
    try:
        return read_manifest(tracking.read_bytes(own, schema.MANIFEST_FILE))
    except SwathError:
        return None


class ResumeService:
    """Reads the opened store for resume; see `sweeps.manifest.PriorRunsService`.

    Args:
      store: store of this process.
    """

    def __init__(self, store: tracking.OfflineFallbackStore) -> None:
        self._store = store
        self._prior: PriorRuns | None = None

    def find_sweep(self, request: ResumeRequest) -> PriorSweep | None:
        """See `PriorRunsService`."""
        self._prior = PriorRuns(tracking.open_reader(self._store.uri), self._store.experiment_id, request)
        found = self._prior.sweep
        if found is not None:
            self._store.close_stale()
        return found

    def prior_runs(self, keys: Sequence[RunKey]) -> list[PriorRun]:
        """See `PriorRunsService`."""
        assert self._prior is not None
        return self._prior.before(keys)

    def other_runs(self) -> list[tuple[dict[str, str], PriorRun]]:
        """See `PriorRunsService`."""
        return [] if self._prior is None else self._prior.others()
