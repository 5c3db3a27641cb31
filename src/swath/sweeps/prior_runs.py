"""Results of earlier commands that a resume can use. Runs in the tracking process."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from swath import tracking
from swath.errors import AwayError, SwathError
from swath.execution import AD_HOC
from swath.models import ARITHMETIC
from swath.sweeps.manifest import (
    Manifest,
    PriorRun,
    PriorSweep,
    PriorTrial,
    ResumeRequest,
    RunKey,
    environment_changes,
    kept_by,
    read_manifest,
)
from swath.sweeps.resume_points import ResumePoints
from swath.sweeps.search_record import SearchRecord
from swath.system import hide_passwords
from swath.tracking import schema
from swath.training import checkpoint_folder

ENDING_S = 60.0
"""Longest wait, in seconds, for the tracking process of a dead training process to store what it received."""


class PriorRuns:
    """The runs of one experiment that a sweep can resume or reuse.

    Args:
      reader: reader of the store.
      experiment_id: id of the experiment.
      request: the sweep to resume.

    Raises:
      SwathError: the sweep is running, or its results would not be bit-identical to the stored ones.
    """

    def __init__(self, reader: tracking.Reader, experiment_id: str, request: ResumeRequest) -> None:
        self._reader = reader
        self._experiment_id = experiment_id
        self._request = request
        self._used: set[str] = set()
        self.sweep: PriorSweep | None
        self._read()
        while self._wait_for_running():
            self._read()  # again, because more was stored during the wait
        folder = checkpoint_folder(self.sweep.sweep_id, Path(request.checkpoints)) if self.sweep else None
        usable = [run for run in self._runs if self._is_comparable(run)]
        self._starts = ResumePoints(reader, usable, folder)
        if self.sweep is not None:
            self.sweep = replace(self.sweep, set_aside=tuple(self._starts.set_aside))

    def _read(self) -> None:
        found = self._reader.runs({schema.SWEEP_ID: self._request.joins or None})
        runs = [run for run in found if run.experiment_id == self._experiment_id]
        self._runs = [run for run in runs if run.tags.get(schema.KIND) == "run"]
        self._summary_runs = [run for run in runs if run.tags.get(schema.KIND) == "sweep"]
        self.sweep = self._find_sweep()

    def _is_comparable(self, run: tracking.StoredRun) -> bool:
        """Whether a run was made in an environment that gives bit-identical results, or any is accepted."""
        now, lists = self._request.provenance, (schema.DATA_DIGEST, schema.MODEL_CODE)
        names = [name for name in tracking.RESULT_AFFECTING if name not in lists]
        same = all(run.tags.get(name) == now.get(name) for name in names)
        codes = (tags.get(schema.MODEL_CODE, "").split() for tags in (run.tags, now))
        same = same and set(next(codes)) <= set(next(codes))
        return same or self._request.force

    def before(self, keys: Sequence[RunKey]) -> list[PriorRun]:
        """Stored state of each configuration, in the same order; a run is used for one configuration only."""
        return [self._before(key, self._best_last.get(key.identity, [])) for key in keys]

    @cached_property
    def _best_last(self) -> dict[tuple[str, str], list[tracking.StoredRun]]:
        """The runs of each configuration, the one that is worth most last."""
        found: dict[tuple[str, str], list[tracking.StoredRun]] = {}
        for run in sorted(self._runs, key=self._worth):
            if _is_tested(run):
                found.setdefault(_identity(run), []).append(run)
        return found

    def others(self) -> list[tuple[dict[str, str], PriorRun]]:
        """Params and state of the runs of the sweep whose configurations are not part of this command."""
        if self.sweep is None:
            return []
        of_sweep = [run for run in self._runs if run.tags[schema.SWEEP_ID] == self.sweep.sweep_id]
        return [
            (run.params, _ended(run))
            for run in of_sweep
            if run.run_id not in self._used and run.params  # else it was killed before it was described
        ]

    def trials(self) -> list[PriorTrial]:
        """Stored state of the trials of the search; they are no longer among `others`."""
        found = []
        for run in self._trial_runs().values():
            self._used.add(run.run_id)
            curves = {curve.metric: curve for curve in self._reader.curves([run.run_id], schema.RUNGS)}
            accuracies, losses = (
                dict(zip(curves[name].steps.tolist(), curves[name].values.tolist(), strict=True))
                if name in curves
                else {}
                for name in schema.RUNGS
            )
            # A process may have died between the two metrics of a rung.
            at_rungs = {step: (accuracies[step], losses[step]) for step in accuracies if step in losses}
            number, point = int(run.tags[schema.SEARCH_TRIAL]), run.tags[schema.SEARCH_POINT]
            # A process may have died between the tags of the end and the status.
            has_ended = run.status == "FINISHED" or (run.status == "FAILED" and schema.BITS in run.tags)
            steps = int(run.params[schema.MAX_STEPS]) if has_ended else None
            finished = steps if run.status == "FINISHED" else None
            trained = finished or run.last_steps.get(schema.TRAIN_LOSS, -1) + 1
            found.append(PriorTrial(number, point, _ended(run), steps, at_rungs, trained))
        return found

    def start_of_trial(self, number: int, key: RunKey) -> PriorRun:
        """From where a trial goes on."""
        run = self._trial_runs()[number]
        start, prefix_metrics = self._starts.of(_as_stored(key, run), run, to_the_end=True)
        return PriorRun(run.run_id, run.status, None, {}, run.tags, {}, start, prefix_metrics)

    def _trial_runs(self) -> dict[int, tracking.StoredRun]:
        """The run of each trial of the search that is resumed."""
        return {
            int(run.tags[schema.SEARCH_TRIAL]): run
            for run in self._runs
            if self._is_own(run)
            and run.tags.get(schema.SEARCH_STAGE) == schema.TRIAL
            and _has_our_arithmetic(run)
        }

    def _before(self, key: RunKey, candidates: list[tracking.StoredRun]) -> PriorRun:
        usable = [run for run in candidates if run.run_id not in self._used and self._is_usable(run)]
        run = usable[-1] if usable else None
        if run is not None:
            self._used.add(run.run_id)
            if run.status == "FINISHED":
                return _ended(run)
        start, prefix_metrics = self._starts.of(_as_stored(key, run), run)
        if run is None:
            return PriorRun(start=start, prefix_metrics=prefix_metrics)
        error = run.tags.get(schema.ERROR)
        return PriorRun(run.run_id, run.status, error, {}, run.tags, {}, start, prefix_metrics)

    def _is_usable(self, run: tracking.StoredRun) -> bool:
        """Whether a run can be gone on with, or has finished with the bits that it would have here."""
        if self._is_own(run) and _has_our_arithmetic(run):
            return True
        return run.status == "FINISHED" and self._is_comparable(run) and not self._request.own_only

    def _is_own(self, run: tracking.StoredRun) -> bool:
        return self.sweep is not None and run.tags[schema.SWEEP_ID] == self.sweep.sweep_id

    def _worth(self, run: tracking.StoredRun) -> tuple[bool, bool, int, int]:
        """Sort key: finished runs last, then those of the sweep, then by stored steps, then by start time."""
        steps = run.last_steps.get(schema.TRAIN_LOSS, -1)
        return run.status == "FINISHED", self._is_own(run), steps, run.start_ms

    def _find_sweep(self) -> PriorSweep | None:
        """The latest sweep of the same name that shares a configuration with this command."""
        if self._request.joins:
            return PriorSweep(self._request.joins, None)
        fingerprints = {run.fingerprint for run in self._request.runs}
        named = [run for run in self._runs if run.tags.get(schema.SWEEP) == self._request.name]
        if not self._request.is_grid:
            cut_off = [
                run
                for run in named
                if run.status != "FINISHED" and _identity(run)[0] in fingerprints and _has_our_arithmetic(run)
            ]
            if not cut_off:
                return None
            return PriorSweep(cut_off[-1].tags[schema.SWEEP_ID], None, self._changes(cut_off[-1].tags))
        for summary in reversed(self._summary_runs):
            if summary.tags.get(schema.SWEEP) != self._request.name:
                continue
            sweep_id, manifest = summary.tags[schema.SWEEP_ID], _manifest(summary)
            started = {_identity(run)[0] for run in named if run.tags[schema.SWEEP_ID] == sweep_id}
            planned = set() if manifest is None else {first for first, _ in manifest.identities}
            search = None if manifest is None else manifest.search
            if self._request.search is not None or search is not None:
                is_same = self._is_same_search(search)
            else:
                is_same = bool(fingerprints & (started | planned))
            if is_same:
                if not (_has_our_arithmetic(summary) or self._request.force):
                    continue
                changes = self._changes(summary.tags if manifest is None else manifest.provenance, manifest)
                is_open = summary.status in tracking.OPEN_STATUSES
                engine = summary.tags.get(schema.ENGINE, "") if is_open else ""
                epoch = summary.tags.get(schema.LOT_EPOCH, "")
                return PriorSweep(sweep_id, summary.run_id, changes, manifest, engine=engine, epoch=epoch)
        return None

    def _is_same_search(self, before: SearchRecord | None) -> bool:
        """Whether a sweep of this name is the search that this command continues.

        Raises:
          SwathError: a named search has changed since.
        """
        now = self._request.search
        if now is None or before is None:
            return False
        lines = list(now.differences(before))
        if lines and self._request.name != AD_HOC and not self._request.force:
            raise SwathError(
                f"the search {self._request.name} has changed: {'; '.join(lines)}; start a new "
                "one without resume, or add force_resume=true to begin a new one here"
            )
        return not lines

    def older_arithmetic(self) -> str:
        """A line on runs of these configurations that another arithmetic made; empty if there is none."""
        lanes = {_lane(run.lane) for run in self._request.runs}
        ours = {_lane(run.tags.get(schema.LANE, "")) for run in self._runs if _has_our_arithmetic(run)}
        older = [
            run
            for run in self._runs
            if not _has_our_arithmetic(run) and _lane(run.tags.get(schema.LANE, "")) in lanes - ours
        ]
        if not older:
            return ""
        versions = " and ".join(sorted({schema.arithmetic_of(run.tags) for run in older}))
        line = (
            f"made with arithmetic {versions}, not {ARITHMETIC}: "
            f"{len(older)} earlier run{'s' if len(older) > 1 else ''}"
        )
        if self._request.force:
            return f"{line}; finished ones are kept, none is continued"
        return f"{line}; trained again (force_resume=true keeps finished ones)"

    def _changes(self, before: dict[str, str], manifest: Manifest | None = None) -> tuple[str, ...]:
        serious, others = environment_changes(before, self._request.provenance, self._request.data_place)
        kept = next((run.kept for run in self._request.runs), None)
        if manifest is not None and kept is not None:
            pairs = {
                "every_steps": (manifest.every_steps, kept.every),
                "curves": (manifest.curves, kept.curves),
            }
            serious += [f"tracking.{name}: {a}, now {b}" for name, (a, b) in pairs.items() if a != b]
        if serious and not self._request.force:
            raise SwathError(
                f"changed since this sweep started: {'; '.join(serious)}. The results would not be "
                "bit-identical; start a new sweep without resume, or add "
                "force_resume=true to resume anyway"
            )
        return (*serious, *others)

    def _wait_for_running(self) -> bool:
        """Check that no other process is training these runs.

        Returns:
          Whether this call waited for a tracking process that has ended since.

        Raises:
          SwathError: a process is training one of them, or may be training it on another machine.
        """
        if self._request.joins:
            return False  # a worker has begun its lot, so whoever else trains it is refused by the store
        identities = {run.identity for run in self._request.runs}
        waited = False
        for run in [*self._open(self._summary_runs), *self._open(self._runs)]:
            is_grid_summary = self._request.is_grid and run in self._summary_runs
            overlaps = is_grid_summary and self._overlaps(run, identities)
            mine = self.sweep is not None and run.tags[schema.SWEEP_ID] == self.sweep.sweep_id
            if not (overlaps or mine or _identity(run) in identities):
                continue
            if tracking.is_elsewhere(run.tags):
                if self._request.force:
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

    def _overlaps(self, summary: tracking.StoredRun, identities: set[tuple[str, str]]) -> bool:
        manifest = _manifest(summary)
        return manifest is not None and bool(manifest.identities & identities)

    @staticmethod
    def _open(runs: Iterable[tracking.StoredRun]) -> list[tracking.StoredRun]:
        """The runs that have not ended and whose processes may be alive."""
        return [
            run
            for run in runs
            if run.status in tracking.OPEN_STATUSES
            and not tracking.is_watched(run.tags)
            and tracking.is_alive(run.tags)
        ]


def _has_our_arithmetic(run: tracking.StoredRun) -> bool:
    return schema.arithmetic_of(run.tags) == ARITHMETIC


def _is_tested(run: tracking.StoredRun) -> bool:
    """Whether a run is what a command by hand would make: a search tests few of its trials."""
    return run.tags.get(schema.SEARCH_STAGE) != schema.TRIAL or schema.TEST_ACCURACY in run.metrics


def _lane(key: str) -> str:
    """A lane's key without the version of the arithmetic; version 0.1 wrote none."""
    return "-".join(key.split("-")[:2])


def _identity(run: tracking.StoredRun) -> tuple[str, str]:
    return run.tags.get(schema.FINGERPRINT, ""), run.tags.get(schema.DATA_DIGEST, "")


def _what(run: tracking.StoredRun) -> str:
    sweep = f"sweep {run.tags.get(schema.SWEEP)} {run.tags.get(schema.SWEEP_ID)}"
    return sweep if run.tags.get(schema.KIND) == "sweep" else f"run {run.run_id} of {sweep}"


def _manifest(summary: tracking.StoredRun) -> Manifest | None:
    """The manifest of a sweep; None if it is missing or damaged.

    Raises:
      AwayError: the place of artifacts does not answer.
    """
    try:
        try:
            content = tracking.read_bytes(summary, schema.MANIFEST_FILE)
        except AwayError:
            raise
        except SwathError:
            content = tracking.read_bytes(summary, schema.FORMER_MANIFEST_FILE)
        return read_manifest(content, partial(tracking.read_bytes, summary))
    except AwayError:
        raise
    except SwathError:
        return None


def _as_stored(key: RunKey, run: tracking.StoredRun | None) -> RunKey:
    return key if run is None else replace(key, kept=kept_by(run.tags, key.kept))


def _ended(run: tracking.StoredRun) -> PriorRun:
    """A run that is not trained again."""
    error = run.tags.get(schema.ERROR)
    tags = {name: run.tags[name] for name in _TAGS_OF_RESULTS if name in run.tags}
    return PriorRun(run.run_id, run.status, error, run.metrics, tags, _correct(run))


_TAGS_OF_RESULTS = (schema.TRAIN_ACCURACY_TAG, schema.BITS, schema.DATA_SIZES, schema.SEARCH_STAGE)
"""Tags that a result is made of: of ten thousand runs, all tags would be 30 MB for the other process."""


def _correct(run: tracking.StoredRun) -> dict[str, bytes]:
    """Which images a finished run classifies correctly, if its files are on this machine."""
    if run.status != "FINISHED" or not tracking.is_local(run.artifact_uri):
        return {}
    try:
        return tracking.packed_correct(tracking.read_arrays(run, schema.PREDICTIONS_FILE))
    except (SwathError, KeyError):
        return {}
