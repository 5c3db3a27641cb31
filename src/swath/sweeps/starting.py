"""Starts a sweep in the store, or goes on with one that earlier commands have begun."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from filelock import FileLock, Timeout

from swath import tracking
from swath.config import KeptSteps, SweepConfig, TrainConfig, computed_values
from swath.datasets import DataKey, Dataset, given_path
from swath.errors import SwathError, UsageError
from swath.execution import Note, Observer, SweepInfo
from swath.execution.launchers import launcher_of
from swath.sweeps.manifest import Manifest, PriorRunsService, configurations_of
from swath.sweeps.record import sweep_description
from swath.sweeps.resume import ResumePlan, keys_of
from swath.sweeps.search_record import SearchRecord, searched_by
from swath.system import cache_folder
from swath.tracking import LotService, schema


def current_provenance(datasets: Mapping[DataKey, Dataset], configs: Sequence[TrainConfig]) -> dict[str, str]:
    """Provenance tags of this command and their values."""
    digests = " ".join(sorted({dataset.digest for dataset in datasets.values()}))
    return tracking.provenance_of(
        {**tracking.environment_tags(), **tracking.runtime_tags(), schema.DATA_DIGEST: digests}
        | tracking.model_code_tags(configs)
    )


def new_manifest(
    sweep_info: SweepInfo,
    configs: Sequence[TrainConfig],
    datasets: Mapping[DataKey, Dataset],
    provenance: dict[str, str],
    kept: KeptSteps,
    search: SearchRecord | None = None,
) -> Manifest:
    """The manifest of a new sweep."""
    identities = [key.identity for key in keys_of(configs, datasets, kept)]
    values = [computed_values(config) for config in configs]
    return Manifest(
        sweep_info.sweep,
        sweep_info.sweep_id,
        sweep_info.command,
        provenance,
        kept.every,
        configurations_of(identities, values),
        [],
        search,
        kept.curves,
    )


class SweepLock:
    """Keeps two commands from resuming the same sweep at once; released when the process ends.

    Args:
      what: text that identifies the sweep.

    Raises:
      SwathError: another command holds the lock, or the folder of locks cannot be written.
    """

    def __init__(self, what: str) -> None:
        folder = cache_folder() / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise SwathError("another command is resuming this sweep; wait until it ends") from error
        except OSError as error:
            raise SwathError(f"resume cannot write to its folder {folder} ({error.strerror})") from error

    def release(self) -> None:
        """Let other commands resume the sweep."""
        self._lock.release()


@dataclass(frozen=True)
class StartedSweep:
    """A sweep that has started in the store.

    Attributes:
      sweep_info: metadata of the command; if it resumes a sweep, with the id of that sweep.
      resume_plan: the remaining training of each configuration; None without resume.
      summary_run: id of the sweep's summary run; None for a single run.
      lock: prevents other commands from resuming the same sweep for the lifetime of this object.
      search: what decides the trials of a search, with its rounds; None for other sweeps.
      claim: to the sweep that this command resumes; empty for a new one.
    """

    sweep_info: SweepInfo
    resume_plan: ResumePlan | None
    summary_run: Future[str] | None
    lock: SweepLock | None
    search: SearchRecord | None = None
    claim: str = ""


def start_sweep(
    tracker: tracking.Tracker,
    store: tracking.StoreInfo,
    sweep_info: SweepInfo,
    configs: Sequence[TrainConfig],
    datasets: Mapping[DataKey, Dataset],
    observer: Observer,
    settings: SweepConfig,
    search: SearchRecord | None = None,
) -> StartedSweep:
    """Start the summary run; with `resume`, first find what earlier commands have stored.

    Args:
      tracker: tracker with an opened store.
      store: the opened store.
      sweep_info: metadata of the command.
      configs: the configurations known so far, at least one.
      datasets: data sets of the configurations.
      observer: receives notes about changes, unreadable checkpoints and closed runs.
      settings: settings of the command.
      search: what decides the trials of a search; None for other sweeps.

    Raises:
      SwathError: the sweep is running, or a change since it started can affect results.
    """
    mode, kept = settings.resume, settings.tracking.kept
    provenance = current_provenance(datasets, configs) if sweep_info.is_grid or mode != "no" else {}
    plan = lock = found = None
    if mode != "no":
        synced = tracker.sync().result()
        if synced.runs:
            observer(Note(f"copied to the store: {synced.runs} offline runs"))
        for line in synced.rejected:
            observer(Note(f"the store rejected the offline runs in {line}"))
        # The lock is of these configurations, so that other commands may go on beside.
        which = " ".join(sorted({key.fingerprint for key in keys_of(configs, datasets, kept)}))
        lock = SweepLock(f"{_identity_of(store.uri)} {store.experiment_id} {which}")
        place, _ = given_path(settings.data.dir) or ("", "")
        plan = ResumePlan(
            tracker,
            mode,
            settings.force_resume,
            datasets,
            str(place),
            settings.checkpoint.dir,
            own_only=settings.executor.name != "threads",
        )
        sweep_info = plan.find(sweep_info, configs, provenance, kept, search)
        found = plan.found
        if found is not None and found.engine and not settings.force_resume:
            check_not_running(found.engine, sweep_info)
        if older := tracker.call(PriorRunsService.older_arithmetic).result():
            observer(Note(older))
        elif found is None and sweep_info.is_grid:
            observer(Note(f"no earlier sweep {sweep_info.sweep} has these fixed values: this is a new sweep"))
    for line in found.changes if found is not None else ():
        observer(Note(f"changed since it started: {line}"))
    for line in found.set_aside if found is not None else ():
        observer(Note(line))
    for run_id in tracker.close_stale().result():
        observer(Note(f"run {run_id} closed as KILLED: its process had died"))
    summary_run, claim = None, ""
    if found is not None and found.run_id is not None:
        claim = tracker.call(
            LotService.claim_launch, found.run_id, found.epoch, tracking.this_process(), settings.force_resume
        ).result()
    sweep_info = searched_by(sweep_info, search)
    if sweep_info.is_grid:
        manifest = new_manifest(sweep_info, configs, datasets, provenance, kept, search)
        before = None if found is None else found.manifest
        if before is not None and before.search is not None and plan is not None:
            before = replace(before, search=before.search.begun(plan.trials()))
        manifest = manifest.resuming(before)
        start = sweep_description(sweep_info, configs, manifest)
        summary_run = tracker.start_sweep(start, None if found is None else found.run_id)
        if claim and settings.executor.name == "threads":
            summary_run.result()
            tracker.call(LotService.drop_lots, claim).result()  # this process trains them now, and no worker
        search = manifest.search
    return StartedSweep(sweep_info, plan, summary_run, lock, search, claim)


def check_not_running(engine: str, sweep_info: SweepInfo) -> None:
    """Check that an engine has no workers of a sweep.

    Args:
      engine: the launcher, and its ids for the workers.
      sweep_info: the sweep.

    Raises:
      UsageError: it has, or cannot be asked from here.
    """
    name, _, ids = engine.partition(" ")
    if not launcher_of(name).state(ids).is_over:
        raise UsageError(
            f"sweep {sweep_info.sweep} {sweep_info.sweep_id} is being trained by workers ({engine}): "
            f"swath-watch {sweep_info.sweep_id} shows them, swath-stop {sweep_info.sweep_id} stops them"
        )


def _identity_of(uri: str) -> str:
    """The same text for every way to write the address of a store."""
    database = tracking.database_file(uri)
    return uri if database is None else str(database.resolve())
