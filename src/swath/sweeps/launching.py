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
from swath.execution.launchers import Launcher, launcher_of
from swath.planning import LaneWidths, divide, memory_for_groups, plan_groups, read_verified
from swath.sweeps.engine_settings import resources_of, worker_memory
from swath.sweeps.joining import end_sweep
from swath.sweeps.launched import LaunchedSweep
from swath.sweeps.lots import LotFile
from swath.sweeps.resume import StartedSweep, start_sweep
from swath.tracking import (
    LotService,
    StoreInfo,
    Tracker,
    default_uri,
    end_open,
    schema,
    set_tag,
    this_process,
)
from swath.training import CheckpointWriter

ENDING_S = 60.0
"""Longest wait, in seconds, for workers that put down what they train."""


class Launch:
    """A sweep that is handed to an engine.

    Args:
      tracker: tracker with an opened store.
      store: the opened store.
      sweep_info: metadata of the sweep.
      configs: its configurations.
      datasets: their data sets.
      settings: settings of the command.
      observer: receives notes.

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
    ) -> None:
        self._tracker = tracker
        self._datasets = datasets
        self._settings = settings
        sweep_info = replace(sweep_info, most=len(configs))
        self.started: StartedSweep = start_sweep(
            tracker, store, sweep_info, configs, datasets, observer, settings
        )
        self._canary = configs[0]
        self.count = 0
        self._name = self._claim = ""

    def hand_over(self, requests: Sequence[RunRequest]) -> str:
        """Write the lots of what is left to train; returns the id of the summary run."""
        assert self.started.summary_run is not None
        run_id = self.started.summary_run.result()
        plan = self.started.resume_plan
        resolved = requests if plan is None else plan.resolve(requests)
        left = [
            request
            for request, each in zip(requests, resolved, strict=True)
            if not isinstance(each, RunResult)
        ]
        files = [self._file(numbers, left).text() for numbers in self._lots(left)]
        self.count = len(files)
        claim = self.started.claim
        if files:
            # The engine's name for the workers is in the store before there are any, so that they can be
            # found whatever happens to this command.
            self._name = f"{claim or 0}-{self.started.sweep_info.sweep_id}"
            name = self._settings.executor.name
            ids = launcher_of(name).named(self._name, self.count, resources_of(self._settings))
            who = this_process()
            handed_over = self._tracker.call(LotService.hand_over, files, claim, f"{name} {ids}", who)
            self._claim = handed_over.result()
        else:
            if end_sweep(self._tracker, self.started.sweep_info, run_id, self._datasets):
                self._checkpoints_of_sweep().drop_sweep()
            if claim:
                self._tracker.call(LotService.confirm_launch, run_id, claim, "").result()
        return run_id

    def _checkpoints_of_sweep(self) -> CheckpointWriter:
        sweep_id, folder = self.started.sweep_info.sweep_id, self._settings.checkpoint.dir
        return CheckpointWriter(self._tracker, sweep_id, lambda line: None, given=folder)

    def start(self, store: str, run_id: str) -> str:
        """Start the workers; returns the engine's ids for them.

        Args:
          store: address of the store, without its password.
          run_id: of the summary run.

        Raises:
          SwathError: the engine refuses, and the sweep is ended as KILLED; or another command has the sweep
            now, and the workers are cancelled.
        """
        name, resources = self._settings.executor.name, resources_of(self._settings)
        launcher = launcher_of(name)
        argv = [
            sys.executable,
            "-P",
            "-m",
            "swath.cli.worker",
            store,
            self.started.sweep_info.sweep_id,
        ]
        try:
            ids = launcher.start(argv, self.count, resources, self._name)
        except BaseException:
            self._tracker.call(LotService.give_up, run_id).result()
            raise
        try:
            self._tracker.call(LotService.confirm_launch, run_id, self._claim, f"{name} {ids}").result()
        except SwathError as error:
            if not error.passes:  # else the store has the name under which the engine knows them
                launcher.cancel(ids)
            raise
        return ids

    def _lots(self, left: Sequence[RunRequest]) -> list[list[int]]:
        """Indices of the configurations of each lot."""
        if not left:
            return []
        settings, asked = self._settings, self._settings.executor
        memory = memory_for_groups(worker_memory(settings, elsewhere=asked.name != "processes"), asked.cpus)
        widths = LaneWidths(settings.lanes.max, memory, read_verified(), self._datasets)
        workers, cpus = asked.workers, asked.cpus
        groups = plan_groups([request.config for request in left], widths, workers * cpus)
        lots = divide(groups, workers, cpus, self._datasets)
        return [[run.number for group in lot for run in group.runs] for lot in lots]

    def _file(self, numbers: Sequence[int], left: Sequence[RunRequest]) -> LotFile:
        settings = replace(self._settings, resume="no", force_resume=False, dry_run=False)
        requests = [left[number] for number in numbers]
        return LotFile(self.started.sweep_info, settings, requests, self._canary)


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
