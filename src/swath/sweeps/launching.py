"""Hands a sweep to an engine: writes its lots to the store, and starts a worker for each."""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from swath import tracking
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
from swath.sweeps.search_record import SearchRecord
from swath.sweeps.starting import StartedSweep, start_sweep
from swath.tracking import (
    LotService,
    StoreInfo,
    Tracker,
    default_uri,
    schema,
    this_process,
)
from swath.training import CheckpointWriter

ENDING_S = 60.0
"""Longest wait, in seconds, for workers that put down what they train."""


def lot_files(
    common: LotFile, requests: Sequence[RunRequest], datasets: Mapping[DataKey, Dataset]
) -> list[str]:
    """Divide what is to be trained into lots; returns the content of the file of each.

    Args:
      common: what all lots have; it may be a lot of the sweep.
      requests: the runs.
      datasets: data sets of the runs.
    """
    if not requests:
        return []
    settings, asked = common.settings, common.settings.executor
    memory = memory_for_groups(worker_memory(settings, elsewhere=asked.name != "processes"), asked.cpus)
    widths = LaneWidths(settings.lanes.max, memory, read_verified(), datasets)
    groups = plan_groups([request.config for request in requests], widths, asked.workers * asked.cpus)
    lots = divide(groups, asked.workers, asked.cpus, datasets)
    found = ([requests[run.number] for group in lot for run in group.runs] for lot in lots)
    return [replace(common, requests=each).text() for each in found]


def engine_ids(settings: SweepConfig, name: str, count: int) -> str:
    """The engine, and the ids by which it will know workers, before there are any.

    Args:
      settings: those of the sweep.
      name: of the workers; see `Launcher.named`.
      count: of workers.
    """
    engine = settings.executor.name
    return f"{engine} {launcher_of(engine).named(name, count, resources_of(settings))}"


def start_workers(
    settings: SweepConfig, store: str, sweep_id: str, name: str, count: int, first: int = 0
) -> str:
    """Start a worker for each of some lots that follow each other; returns the engine's ids for them.

    Args:
      settings: those of the sweep.
      store: address of the store, without its password.
      sweep_id: id of the sweep.
      name: see `engine_ids`.
      count: number of lots.
      first: number of the first lot.

    Raises:
      SwathError: the engine refuses.
    """
    argv = [sys.executable, "-P", "-m", "swath.cli.worker", store, sweep_id]
    if first:
        argv[4:4] = ["--first", str(first)]
    return launcher_of(settings.executor.name).start(argv, count, resources_of(settings), name)


def drop_checkpoints(tracker: Tracker, settings: SweepConfig, sweep_id: str) -> None:
    """Delete all checkpoints of a sweep of which nothing is left to train."""
    CheckpointWriter(tracker, sweep_id, lambda line: None, given=settings.checkpoint.dir).drop_sweep()


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
      folders: folders with the user's configs.

    Attributes:
      started: the sweep in the store, and the resume plan.
      count: number of lots; 0 if this command has nothing to train.
      leaves_nothing: whether nothing of the sweep is left to train.
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
        folders: Sequence[Path] = (),
    ) -> None:
        self._tracker = tracker
        self._datasets = datasets
        self._settings = settings
        sweep_info = replace(sweep_info, most=len(configs) if search is None else search.trials)
        self.started: StartedSweep = start_sweep(
            tracker, store, sweep_info, configs, datasets, observer, settings, search
        )
        own = replace(settings, resume="no", force_resume=False, dry_run=False)
        places = tuple(str(folder.absolute()) for folder in folders)
        self._common = LotFile(self.started.sweep_info, own, (), configs[0], self.started.search, places)
        self.count = 0
        self.leaves_nothing = False
        self._name = self._claim = ""

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
        run_id, claim = self.started.summary_run.result(), self.started.claim
        info = self.started.sweep_info
        files = lot_files(self._common, requests, self._datasets)
        self.count = len(files)
        if files:
            # The engine's name for the workers is in the store before there are any, so that they can be
            # found whatever happens to this command.
            self._name = f"{claim or 0}-{info.sweep_id}"
            engine = engine_ids(self._settings, self._name, self.count)
            handed_over = self._tracker.call(LotService.hand_over, files, claim, engine, this_process())
            self._claim = handed_over.result()
        else:
            self.leaves_nothing = end_sweep(
                self._tracker, info, run_id, self._datasets, results, has_trained=False
            )
            if self.leaves_nothing:
                drop_checkpoints(self._tracker, self._settings, info.sweep_id)
            if claim:
                self._tracker.call(LotService.confirm_launch, run_id, claim, "").result()
        return run_id

    def start(self, store: str, run_id: str) -> str:
        """Start the workers; returns the engine's ids for them.

        Args:
          store: address of the store, without its password.
          run_id: of the summary run.

        Raises:
          SwathError: the engine refuses, and the sweep is ended as KILLED; or another command has the sweep
            now, and the workers are cancelled.
        """
        name, sweep_id = self._settings.executor.name, self.started.sweep_info.sweep_id
        try:
            ids = start_workers(self._settings, store, sweep_id, self._name, self.count)
        except BaseException:
            with contextlib.suppress(SwathError):  # another command may have the sweep now
                self._tracker.call(LotService.give_up, run_id, self._claim).result()
            raise
        try:
            self._tracker.call(LotService.confirm_launch, run_id, self._claim, f"{name} {ids}").result()
        except SwathError as error:
            if not error.passes:  # else the store has the name under which the engine knows them
                launcher_of(name).cancel(ids)
            raise
        return ids


def stop_launched(uri: str | None, sweep: LaunchedSweep, note: Callable[[str], None]) -> int:
    """Stop the workers of a sweep and end it as KILLED; returns the number of lots that are left.

    Args:
      uri: address of the store; None for MLflow's default.
      sweep: the sweep.
      note: shows a line to the user.
    """
    address = uri or default_uri()
    now = str(time.time_ns() // 1_000_000)
    tracking.connect(address).set_tag(sweep.summary.run_id, schema.STOPPING, now)
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
    return tracking.end_open(address, sweep.summary.run_id, find_best)


def _is_over(launcher: Launcher, ids: str) -> bool:
    """Whether no task is left, or none can be asked for."""
    states = launcher.state(ids)
    return states.is_over or states.count("unknown") == len(states.tasks)
