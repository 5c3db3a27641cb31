"""A search whose trials are trained by workers: stage by stage, as lots.

A stage is all that can be trained before the next decision. The worker of its last lot decides again from
what the store has, and hands over the next stage. So no process has to live as long as the search.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from swath.config import KeptSteps, config_groups, hydra_ready, register
from swath.datasets import DataKey, Dataset, load_intact
from swath.errors import SwathError
from swath.execution import Event, Note, RunRequest, RunResult
from swath.execution.launchers import launcher_of
from swath.searching.driver import Search
from swath.searching.from_command import plan_of_record
from swath.searching.plan import SearchPlan
from swath.sweeps import (
    Joined,
    ResumePlan,
    StartedSweep,
    end_sweep,
    engine_ids,
    lot_files,
    start_workers,
)
from swath.tracking import LotService, Tracker, is_superseded


@dataclass(frozen=True)
class Stage:
    """What a search trains before its next decision.

    Attributes:
      requests: the trials, or the runs that confirm finalists; empty if the search has ended.
      results: of the trials and runs that have ended.
    """

    requests: Sequence[RunRequest]
    results: Sequence[RunResult]


class LoadedDatasets(dict[DataKey, Dataset]):
    """Data sets by key; one that is missing is loaded.

    Args:
      known: those that are loaded already.
      directory: `data.dir`.
    """

    def __init__(self, known: Mapping[DataKey, Dataset], directory: str | None) -> None:
        super().__init__(known)
        self._directory = directory

    def __missing__(self, key: DataKey) -> Dataset:
        self[key] = load_intact(key, self._directory)
        return self[key]


class Collector:
    """Trains nothing: collects what is to be trained, and says of it that it was not begun.

    Args:
      started: the sweep in the store, and what workers have stored of it.
      kept: which steps are stored, and where.
      note: shows a line to the user.

    Attributes:
      requests: what is to be trained.
      results: what has ended.
    """

    def __init__(self, started: StartedSweep, kept: KeptSteps, note: Callable[[str], None]) -> None:
        self.started = started
        self.began = time.perf_counter()
        self.is_whole = False
        self.kept = kept
        self.requests: list[RunRequest] = []
        self.results: list[RunResult] = []
        self._note = note

    def start(self, requests: Sequence[RunRequest]) -> "list[Future[RunResult]]":
        """See `Trainer`."""
        plan = self.started.resume_plan
        resolved = requests if plan is None else plan.resolve(requests)
        futures: list[Future[RunResult]] = []
        for request, each in zip(requests, resolved, strict=True):
            if isinstance(each, RunResult):
                futures.append(Future())
                futures[-1].set_result(each)
                self.results.append(each)
            else:
                futures += self.start_trials([request])
        return futures

    def start_trials(self, requests: Sequence[RunRequest]) -> "list[Future[RunResult]]":
        """See `Trainer`."""
        self.requests += requests
        return [_cancelled() for _ in requests]

    def end_trial(self, paused: RunResult, request: RunRequest, why: str) -> "Future[RunResult]":
        """See `Trainer`."""
        raise AssertionError("no trial waits in this process")

    def record(self, result: RunResult) -> None:
        """See `Trainer`."""
        self.results.append(result)

    def expect(self, future: "Future[RunResult]", before: RunResult | None = None) -> None:
        """See `Trainer`."""

    def tell(self, event: Event) -> None:
        """See `Trainer`."""
        if isinstance(event, Note):
            self._note(event.text)

    def stop(self, reason: str = "interrupted") -> None:
        """See `Trainer`."""


def _cancelled() -> "Future[RunResult]":
    future: Future[RunResult] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()  # wakes those who wait for it
    return future


def next_stage(
    started: StartedSweep, plan: SearchPlan, kept: KeptSteps, note: Callable[[str], None]
) -> Stage:
    """Decide from what the store has what a search trains next.

    Args:
      started: the sweep in the store, with its search and its resume plan.
      plan: the search.
      kept: which steps are stored, and where.
      note: shows a line to the user.

    Raises:
      SwathError: the stored search is another one.
    """
    collector = Collector(started, kept, note)
    Search(collector, plan, note).run()
    by_trial = sorted(collector.results, key=lambda each: math.inf if each.trial is None else each.trial)
    return Stage(collector.requests, by_trial)


def go_on(joined: Joined, tracker: Tracker, datasets: Mapping[DataKey, Dataset]) -> bool:
    """Decide what a search trains once its lots are done, and start the workers.

    The store has one lot whose worker does so. If that worker dies, the engine begins the lot again, and the
    new worker goes on from what the store has.

    Args:
      joined: the lot of this worker.
      tracker: tracker with an opened store, in which this worker has begun the lot.
      datasets: data sets of the lot.

    Returns:
      Whether the search has ended.

    Raises:
      SupersededError: another worker goes on with the search, or it is being stopped.
      SwathError: the store or the engine cannot be used.
    """
    loaded = LoadedDatasets(datasets, joined.file.settings.data.dir)
    while True:
        lots, epoch = tracker.call(LotService.read_lots, joined.run_id).result()
        first, files = next((lot.number for lot in lots if lot.state != "done"), len(lots)), []
        count = len(lots) - first  # those that a worker has added which died before it started them
        if not count:
            stage = _stage_of_worker(joined, tracker, loaded)
            if not stage.requests:
                info = joined.file.sweep_info
                joined.leaves_nothing = end_sweep(tracker, info, joined.run_id, loaded, stage.results)
                return True
            files = lot_files(joined.file, stage.requests, loaded)
            count = len(files)
        if not _start(joined, tracker, epoch, first, count, files):
            return False


def _start(
    joined: Joined, tracker: Tracker, epoch: int, first: int, count: int, files: Sequence[str]
) -> bool:
    """Start the workers of a stage; returns whether its lots have been done meanwhile.

    Args:
      joined: the lot of this worker.
      tracker: tracker with an opened store.
      epoch: of the lots.
      first: number of the first lot.
      count: number of lots.
      files: the files of these lots; none if they are there.
    """
    settings, sweep_id = joined.file.settings, joined.file.sweep_info.sweep_id
    name = f"{epoch}-{sweep_id}"
    tracker.call(LotService.add_lots, first, files, epoch, engine_ids(settings, name, count)).result()
    ids = start_workers(settings, joined.store, sweep_id, name, count, first)
    engine = settings.executor.name
    try:
        return tracker.call(LotService.confirm_lots, f"{engine} {ids}").result()
    except SwathError as error:
        if is_superseded(error):
            launcher_of(engine).cancel(ids)
        raise


def _stage_of_worker(joined: Joined, tracker: Tracker, datasets: Mapping[DataKey, Dataset]) -> Stage:
    file = joined.file
    assert file.search is not None
    resume = ResumePlan(tracker, "open", False, datasets, checkpoints=file.settings.checkpoint.dir)
    resume.join(file.sweep_info, (), {})
    started = StartedSweep(file.sweep_info, resume, None, None, file.search)
    register(tuple(map(Path, file.folders)))
    with hydra_ready():
        plan = plan_of_record(file.search, config_groups())
        typed = next((_typed(request) for request in file.requests), ())
        plan = replace(
            plan, overrides=lambda point: (*typed, *(f"{name}={text}" for name, text in point.items()))
        )
        return next_stage(started, plan, file.settings.tracking.kept, _note)


def _typed(request: RunRequest) -> tuple[str, ...]:
    """The overrides of a command that are the same for all trials."""
    if request.trial is None:
        return ()
    return request.overrides[: len(request.overrides) - len(json.loads(request.trial.point))]


def _note(text: str) -> None:
    print(text, flush=True)
