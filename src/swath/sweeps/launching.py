"""Hands a sweep to an engine: writes its lots to the store, and starts a worker for each."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from swath.analysis import find_best
from swath.config import SweepConfig, TrainConfig
from swath.datasets import DataKey, Dataset
from swath.execution import Observer, RunRequest, RunResult, SweepInfo
from swath.execution.launchers import Resources, launcher_of
from swath.planning import LaneWidths, divide, memory_for_groups, plan_groups, read_verified
from swath.sweeps.joining import end_sweep
from swath.sweeps.launched import LaunchedSweep
from swath.sweeps.lots import LotFile
from swath.sweeps.resume import StartedSweep, start_sweep
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
        if files:
            self._tracker.call(LotService.hand_over, files).result()
        else:
            end_sweep(self._tracker, self.started.sweep_info, run_id, self._datasets)
        return run_id

    def start(self, store: str, run_id: str) -> str:
        """Start the workers; returns the engine's ids for them.

        Args:
          store: address of the store, without its password.
          run_id: of the summary run.

        Raises:
          SwathError: the engine refuses; the sweep is ended as KILLED.
        """
        name = self._settings.executor.name
        argv = [
            sys.executable,
            "-P",
            "-m",
            "swath.cli.worker",
            store,
            self.started.sweep_info.sweep_id,
        ]
        try:
            ids = launcher_of(name).start(argv, self.count, resources_of(self._settings))
        except BaseException:
            self._tracker.call(LotService.give_up, run_id).result()
            raise
        self._tracker.set_tag(run_id, schema.ENGINE, f"{name} {ids}").result()
        return ids

    def _lots(self, left: Sequence[RunRequest]) -> list[list[int]]:
        """Indices of the configurations of each lot."""
        if not left:
            return []
        settings = self._settings
        memory = memory_for_groups(available_bytes())
        widths = LaneWidths(settings.lanes.max, memory, read_verified(), self._datasets)
        workers, cpus = settings.executor.workers, settings.executor.cpus
        groups = plan_groups([request.config for request in left], widths, workers * cpus)
        lots = divide(groups, workers, cpus, self._datasets)
        return [[run.number for group in lot for run in group.runs] for lot in lots]

    def _file(self, numbers: Sequence[int], left: Sequence[RunRequest]) -> LotFile:
        settings = replace(self._settings, resume="no", force_resume=False, dry_run=False)
        requests = [left[number] for number in numbers]
        return LotFile(self.started.sweep_info, settings, requests, self._canary)


def stop_launched(uri: str | None, sweep: LaunchedSweep) -> int:
    """Stop the workers of a sweep and end it as KILLED; returns the number of lots that are left.

    Raises:
      SwathError: the engine does not answer, so its workers may go on.
    """
    address = uri or default_uri()
    set_tag(address, sweep.summary.run_id, schema.STOPPING, str(time.time_ns() // 1_000_000))
    name, ids = sweep.engine
    if name:
        launcher = launcher_of(name)
        launcher.cancel(ids)
        until = time.monotonic() + ENDING_S
        while not launcher.state(ids).is_over and time.monotonic() < until:
            time.sleep(0.5)
    return end_open(address, sweep.summary.run_id, find_best)
