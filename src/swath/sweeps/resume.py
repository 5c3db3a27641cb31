"""Starts or resumes a sweep, and finds what is left to train of each configuration."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from filelock import FileLock, Timeout

from swath import tracking
from swath.config import KeptSteps, SweepConfig, TrainConfig, computed_values, fingerprint, read_params
from swath.datasets import DataKey, Dataset, given_path
from swath.errors import SwathError, UsageError
from swath.execution import Note, Observer, RunRequest, RunResult, SweepInfo
from swath.execution.launchers import launcher_of
from swath.sweeps.manifest import (
    Manifest,
    PriorRun,
    PriorRunsService,
    PriorSweep,
    PriorTrial,
    ResumeRequest,
    RunKey,
    configurations_of,
    kept_by,
)
from swath.sweeps.record import sweep_description
from swath.sweeps.search_record import SearchRecord, searched_by
from swath.system import cache_folder
from swath.tracking import LotService, schema
from swath.training import checkpoints_folder, lane_key

SKIPPED = "skipped by resume=failed: it has not failed"
"""Reason stated for a configuration that `resume=failed` skips."""


@lru_cache(maxsize=2**16)
def run_key(config: TrainConfig, digest: str, kept: KeptSteps) -> RunKey:
    """Identity of a configuration in the store.

    Args:
      config: the configuration.
      digest: digest of its data set.
      kept: which steps are stored, and where.
    """
    return RunKey(
        fingerprint(config),
        digest,
        lane_key(config, digest),
        config.max_steps,
        kept,
        config.evaluate_every_steps if config.data.validation_size else 0,
    )


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
    identities = [run_key(each, datasets[each.data.key].digest, kept).identity for each in configs]
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


@dataclass
class ResumePlan:
    """Decides for each configuration whether it is reused, resumed, restarted, started or skipped.

    Attributes:
      tracker: tracker with an opened store.
      mode: `yes`, `failed`, or `open`: what has failed is not trained again.
      force: whether to accept a changed environment.
      datasets: the data sets of the configurations.
      data_place: see `ResumeRequest`.
      checkpoints: `checkpoint.dir`; None for the user's cache.
      own_only: see `ResumeRequest`.
      found: the earlier command; None if there is none.
      counts: number of configurations by outcome: already done, resumed, restarted, new, skipped.
    """

    tracker: tracking.Tracker
    mode: str
    force: bool
    datasets: Mapping[DataKey, Dataset]
    data_place: str = ""
    checkpoints: str | None = None
    own_only: bool = False
    found: PriorSweep | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def find(
        self,
        sweep_info: SweepInfo,
        configs: Sequence[TrainConfig],
        provenance: dict[str, str],
        kept: KeptSteps,
        search: SearchRecord | None = None,
    ) -> SweepInfo:
        """Find the earlier command.

        Args:
          sweep_info: metadata of this command.
          configs: the configurations known so far.
          provenance: provenance tags of this command and their values.
          kept: which steps are stored, and where.
          search: what decides the trials of a search; None for other sweeps.

        Returns:
          `sweep_info` with the id of the earlier command, if there is one.

        Raises:
          SwathError: the earlier command is running, or a change since then can affect results.
        """
        request = ResumeRequest(
            sweep_info.sweep,
            sweep_info.is_grid,
            tuple(run_key(config, self.datasets[config.data.key].digest, kept) for config in configs),
            provenance,
            str(checkpoints_folder(self.checkpoints)),
            self.force,
            self.data_place,
            search,
            own_only=self.own_only,
        )
        self.found = self.tracker.call(PriorRunsService.find_sweep, request).result()
        return sweep_info if self.found is None else replace(sweep_info, sweep_id=self.found.sweep_id)

    def join(self, sweep_info: SweepInfo, configs: Sequence[TrainConfig], provenance: dict[str, str]) -> None:
        """Find what other workers have stored of these configurations, or of any of the sweep.

        Args:
          sweep_info: metadata of the sweep.
          configs: the configurations of a lot; empty to read the whole sweep.
          provenance: provenance tags of this worker and their values.
        """
        keys = tuple(
            run_key(config, self.datasets[config.data.key].digest, KeptSteps()) for config in configs
        )
        request = ResumeRequest(
            sweep_info.sweep,
            True,
            keys,
            provenance,
            str(checkpoints_folder(self.checkpoints)),
            self.force,
            joins=sweep_info.sweep_id,
        )
        self.found = self.tracker.call(PriorRunsService.find_sweep, request).result()

    def resolve(self, requests: Sequence[RunRequest]) -> list[RunRequest | RunResult]:
        """For each configuration, the remaining training, or the result if nothing remains."""
        keys = [
            run_key(request.config, self.datasets[request.config.data.key].digest, request.kept)
            for request in requests
        ]
        found = self.tracker.call(PriorRunsService.prior_runs, keys).result()
        return [self._resolve(request, before) for request, before in zip(requests, found, strict=True)]

    def _resolve(self, request: RunRequest, before: PriorRun) -> RunRequest | RunResult:
        if before.finished:
            self.counts["already done"] += 1
            return _prior_result(request.config, before)
        if self.mode == "open" and before.status == "FAILED":
            return _prior_result(request.config, before)
        if self.mode == "failed" and before.status != "FAILED":
            self.counts["skipped"] += 1
            tracked = tracking.CompletedRun(before.run_id or "", 0.0)
            return RunResult(request.config, "KILLED", {}, SKIPPED, tracked, reused=True)
        has_run = before.run_id is not None
        self.counts["resumed" if before.start is not None else "restarted" if has_run else "new"] += 1
        return _going_on(request, before)

    def trials(self) -> dict[int, tuple[PriorTrial, Callable[[TrainConfig], RunResult]]]:
        """The stored trials of a search by number, each with a function that makes a result of it."""
        found = self.tracker.call(PriorRunsService.trials).result()
        return {each.number: (each, partial(_prior_trial_result, each)) for each in found}

    def start_of_trial(self, number: int, request: RunRequest) -> RunRequest:
        """The remaining training of a trial that has not ended for good."""
        key = run_key(request.config, self.datasets[request.config.data.key].digest, request.kept)
        before = self.tracker.call(PriorRunsService.start_of_trial, number, key).result()
        self.counts["resumed" if before.start is not None else "restarted"] += 1
        return _going_on(request, before)

    def others(self) -> list[RunResult]:
        """Results of the runs of the sweep whose configurations are not part of this command."""
        found = self.tracker.call(PriorRunsService.other_runs).result()
        return [_prior_result(read_params(params), before) for params, before in found]

    def summary(self) -> str:
        """Counts by outcome, in one line."""
        parts = [f"{count} {what}" for what, count in sorted(self.counts.items())]
        return f"Resume: {', '.join(parts) or 'nothing'}."


def _going_on(request: RunRequest, before: PriorRun) -> RunRequest:
    return replace(
        request,
        run_id=before.run_id,
        start=before.start,
        prefix_metrics=before.prefix_metrics,
        kept=kept_by(before.tags, request.kept),
    )


def _prior_result(config: TrainConfig, before: PriorRun) -> RunResult:
    run_id = before.run_id or ""
    tracked = tracking.CompletedRun(run_id, before.metrics.get(schema.TRACK_S, 0.0))
    return RunResult(
        config,
        "FINISHED" if before.finished else "FAILED" if before.status == "FAILED" else "KILLED",
        before.metrics,
        before.error,
        tracked,
        float(before.tags.get(schema.TRAIN_ACCURACY_TAG, "nan")),
        before.tags.get(schema.BITS, ""),
        run_id,
        reused=True,
        correct=before.correct,
        data_sizes=before.tags.get(schema.DATA_SIZES, ""),
        stage=before.tags.get(schema.SEARCH_STAGE, ""),
    )


def _prior_trial_result(trial: PriorTrial, config: TrainConfig) -> RunResult:
    return replace(_prior_result(config, trial.run), trial=trial.number, steps=trial.trained)


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
        which = " ".join(sorted({fingerprint(config) for config in configs}))  # others may go on beside
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
