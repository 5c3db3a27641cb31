"""Hands a sweep to an engine: writes its lots to the store, and starts a worker for each."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from swath.analysis import find_best
from swath.config import SweepConfig, TrainConfig
from swath.datasets import DataKey, Dataset
from swath.errors import SwathError
from swath.execution import Observer, RunRequest, RunResult, SweepInfo
from swath.execution.launchers import Launcher, Resources, launcher_of
from swath.planning import LaneWidths, divide, memory_for_groups, plan_groups, read_verified
from swath.sweeps.joining import end_sweep
from swath.sweeps.launched import LaunchedSweep
from swath.sweeps.lots import LotFile
from swath.sweeps.resume import StartedSweep, start_sweep
from swath.sweeps.search_record import SearchRecord
from swath.system import available_bytes
from swath.tracking import LotService, StoreInfo, Tracker, default_uri, end_open, schema, set_tag

ENDING_S = 60.0
"""Longest wait, in seconds, for workers that put down what they train."""


def resources_of(settings: SweepConfig) -> Resources:
    """What each worker gets."""
    asked = settings.executor
    return Resources(
        workers=asked.workers,
        cpus=asked.cpus,
        memory_mb=asked.memory or 0,
        time_min=asked.time or 0,
        partition=asked.partition or "",
        constraint=asked.constraint or "",
        account=asked.account or "",
        extra=tuple(asked.lines),
        address=asked.address or "",
    )


def lot_files(
    requests: Sequence[RunRequest],
    sweep_info: SweepInfo,
    settings: SweepConfig,
    canary: TrainConfig,
    datasets: Mapping[DataKey, Dataset],
    search: SearchRecord | None = None,
) -> list[str]:
    """Divide what is to be trained into lots; returns the content of the file of each.

    Args:
      requests: the runs.
      sweep_info: metadata of the sweep.
      settings: how they are trained.
      canary: see `LotFile`.
      datasets: data sets of the runs.
      search: what decides the search whose trials they are; None for other sweeps.
    """
    if not requests:
        return []
    memory = memory_for_groups(available_bytes())
    widths = LaneWidths(settings.lanes.max, memory, read_verified(), datasets)
    workers, cpus = settings.executor.workers, settings.executor.cpus
    groups = plan_groups([request.config for request in requests], widths, workers * cpus)
    lots = divide(groups, workers, cpus, datasets)
    settings = replace(settings, resume="no", force_resume=False, dry_run=False)
    found = ([requests[run.number] for group in lot for run in group.runs] for lot in lots)
    return [LotFile(sweep_info, settings, each, canary, search).text() for each in found]


def start_workers(settings: SweepConfig, store: str, sweep_id: str, count: int, first: int = 0) -> str:
    """Start a worker for each of some lots that follow each other; returns the engine's ids for them.

    Args:
      settings: those of the sweep.
      store: address of the store, without its password.
      sweep_id: id of the sweep.
      count: number of lots.
      first: number of the first lot.

    Raises:
      SwathError: the engine refuses.
    """
    argv = [sys.executable, "-P", "-m", "swath.cli.worker", store, sweep_id]
    if first:
        argv[4:4] = ["--first", str(first)]
    return launcher_of(settings.executor.name).start(argv, count, resources_of(settings))


class Launch:
    """A sweep that is handed to an engine.

    Args:
      tracker: tracker with an opened store.
      store: the opened store.
      sweep_info: metadata of the sweep.
      configs: its configurations; of a search, those of its first round.
      datasets: their data sets.
      settings: settings of the command.
      observer: receives notes.
      search: what decides the trials of a search; None for other sweeps.

    Attributes:
      started: the sweep in the store, and the resume plan.
      count: number of lots; 0 if nothing is left to train.
    """

    def __init__(
        self,
        tracker: Tracker,
        store: StoreInfo,
        sweep_info: SweepInfo,
        configs: Sequence[TrainConfig],
        datasets: Mapping[DataKey, Dataset],
        settings: SweepConfig,
        observer: Observer,
        search: SearchRecord | None = None,
    ) -> None:
        self._tracker = tracker
        self._datasets = datasets
        self._settings = settings
        sweep_info = replace(sweep_info, most=len(configs) if search is None else search.trials)
        self.started: StartedSweep = start_sweep(
            tracker, store, sweep_info, configs, datasets, observer, settings, search
        )
        self._canary = configs[0]
        self.count = 0

    def hand_over(self, requests: Sequence[RunRequest]) -> str:
        """Write the lots of the configurations that are left to train; returns the id of the summary run."""
        plan = self.started.resume_plan
        resolved = requests if plan is None else plan.resolve(requests)
        left = [
            request
            for request, each in zip(requests, resolved, strict=True)
            if not isinstance(each, RunResult)
        ]
        return self.hand_over_all(left, None)

    def hand_over_all(self, requests: Sequence[RunRequest], results: Sequence[RunResult] | None) -> str:
        """Write the lots of all of these runs; returns the id of the summary run.

        Args:
          requests: the runs; if there are none, the sweep is ended.
          results: of a search that has ended; None for other sweeps.
        """
        assert self.started.summary_run is not None
        run_id = self.started.summary_run.result()
        info, search = self.started.sweep_info, self.started.search
        files = lot_files(requests, info, self._settings, self._canary, self._datasets, search)
        self.count = len(files)
        if files:
            self._tracker.call(LotService.hand_over, files, is_search=search is not None).result()
        else:
            end_sweep(self._tracker, info, run_id, self._datasets, results)
        return run_id

    def start(self, store: str, run_id: str) -> str:
        """Start the workers; returns the engine's ids for them.

        Args:
          store: address of the store, without its password.
          run_id: of the summary run.

        Raises:
          SwathError: the engine refuses; the sweep is ended as KILLED.
        """
        try:
            ids = start_workers(self._settings, store, self.started.sweep_info.sweep_id, self.count)
        except BaseException:
            self._tracker.call(LotService.give_up, run_id).result()
            raise
        self._tracker.set_tag(run_id, schema.ENGINE, f"{self._settings.executor.name} {ids}").result()
        return ids


def stop_launched(uri: str | None, sweep: LaunchedSweep, note: Callable[[str], None]) -> int:
    """Stop the workers of a sweep and end it as KILLED; returns the number of lots that are left.

    Args:
      uri: address of the store; None for MLflow's default.
      sweep: the sweep.
      note: shows a line to the user.
    """
    address = uri or default_uri()
    set_tag(address, sweep.summary.run_id, schema.STOPPING, str(time.time_ns() // 1_000_000))
    name, ids = sweep.engine
    if name:
        launcher = launcher_of(name)
        try:
            launcher.cancel(ids)
        except SwathError as error:  # the epochs refuse its workers all the same
            note(f"the engine could not be told: {error}")
        until = time.monotonic() + ENDING_S
        while not _is_over(launcher, ids) and time.monotonic() < until:
            time.sleep(0.5)
    return end_open(address, sweep.summary.run_id, find_best)


def _is_over(launcher: Launcher, ids: str) -> bool:
    """Whether no task is left, or none can be asked for."""
    states = launcher.state(ids)
    return states.is_over or states.count("unknown") == len(states.tasks)
