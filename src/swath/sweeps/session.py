"""One command's work: data, store and TensorFlow brought up beside each other, then runs, then the end."""

import logging
import os
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from swath.config import SweepConfig, TrainConfig
from swath.datasets import check_available, load_dataset, load_intact, rebuild_dataset
from swath.errors import SwathError
from swath.execution import Event, Note, Observer, RunEnded, RunRequest, RunResult, Starting, SweepInfo
from swath.planning import LaneWidths, check_memory, memory_for_groups, read_verified
from swath.system import available_bytes, real_uri
from swath.tracking import TRACKING_VARIABLE, MlflowTracker, StoreAddress, StoreInfo, SyncResult, Tracker
from swath.training import CheckpointWriter

if TYPE_CHECKING:
    from swath.execution import Runner
    from swath.sweeps.resume import ResumePlan


_log = logging.getLogger("swath")


class SynchronizedObserver:
    """An observer that is called from several threads, for a screen that is not made for that.

    A screen that has gone, such as a pipe that nobody reads any more, does not end the training.
    """

    def __init__(self, screen: Observer) -> None:
        self._screen: Observer | None = screen
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Hand an event to the screen."""
        with self._lock:
            if self._screen is not None:
                try:
                    self._screen(event)
                except Exception:
                    self._screen = None
                    _log.debug("the screen has gone", exc_info=True)


class Session:
    """Everything that the runs of one command share.

    Attributes:
      store: the opened store.
      sweep_run_id: the sweep's own run, once it has ended; None for a single run.
      sweep_fault: why the sweep's own run could not be stored, where it could not be.
      spool: the folder of what the server could not be told, because it has gone away; None where it has not.
      taking_up: what earlier commands have left; None where none is taken up.
    """

    def __init__(
        self,
        sweep_info: SweepInfo,
        configs: tuple[TrainConfig, ...],
        settings: SweepConfig,
        observer: Observer,
        tracker: Tracker | None = None,
    ) -> None:
        """Bring everything up. Nothing is written before all data sets have been found.

        Args:
          sweep_info: what the runs have in common.
          configs: at least one; those that will be run, as far as they are known.
          settings: how the command is carried out.
          observer: told what happens.
          tracker: keeps the runs; None for a new `MlflowTracker`. It is closed with the session.

        Raises:
          SwathError: a data set or the store cannot be used.
        """
        self.sweep_info = sweep_info
        self.began = time.perf_counter()
        names = list(dict.fromkeys(config.data.name for config in configs))
        self._data_dir = settings.data.dir
        for name in names:
            check_available(name, self._data_dir)
        check_memory(sorted(names))
        self._tracker: Tracker = MlflowTracker() if tracker is None else tracker
        self._observer: Observer = SynchronizedObserver(observer)
        self._asked_for: list[Future[RunResult]] = []
        self._configs = configs
        self.taking_up: ResumePlan | None = None
        self.sweep_run_id: str | None = None
        self.sweep_fault: str | None = None
        self.spool: str | None = None
        try:
            self.store, self._runner = self._bring_up(settings, names)
        except BaseException:
            self._tracker.close()
            raise

    def _bring_up(self, settings: SweepConfig, names: list[str]) -> "tuple[StoreInfo, Runner]":
        # MLflow is being imported by the tracking process meanwhile, and the store is prepared there while
        # TensorFlow is imported here and the digests of the images are checked in threads.
        self._datasets = {name: load_dataset(name, self._data_dir) for name in names}
        self._observer(Starting())  # after a download, which has a bar of its own
        tracking = settings.tracking
        uri = real_uri(tracking.uri, os.environ.get(TRACKING_VARIABLE))
        opened = self._tracker.open(StoreAddress(uri, tracking.experiment, tracking.artifact_location))
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="swath-digest") as threads:
            intact = {name: threads.submit(self._datasets[name].is_intact) for name in names}
            from swath.execution import Runner, ThreadExecutor
            from swath.sweeps.resume import begin  # TensorFlow takes seconds

            self._mend(intact)
        store = opened.result()
        self._begun = begin(
            self._tracker, store, self.sweep_info, self._configs, self._datasets, self._observer, settings
        )
        self.sweep_info, self.taking_up = self._begun.sweep_info, self._begun.taking_up
        self._checkpoints = CheckpointWriter(
            self._tracker,
            self.sweep_info.sweep_id,
            lambda line: self._observer(Note(line)),
        )
        verified = read_verified()
        runner = Runner(
            self.sweep_info,
            self._tracker,
            self._datasets,
            self._observer,
            ThreadExecutor(self._datasets, verified),
            LaneWidths(settings.lanes.max, memory_for_groups(available_bytes()), verified),
            self._checkpoints,
            settings.checkpoint.every_s,
            settings.retries,
            settings.on_failure == "stop",
        )
        return store, runner

    def _mend(self, intact: dict[str, Future[bool]]) -> None:
        for name, answer in intact.items():
            if not answer.result():
                self._datasets[name] = rebuild_dataset(name, self._data_dir)

    def start(self, requests: list[RunRequest]) -> "list[Future[RunResult]]":
        """Begin to train and track configurations; the results are not settled yet."""
        for name in dict.fromkeys(request.config.data.name for request in requests):
            if name not in self._datasets:  # another sweeper's choice
                self._datasets[name] = load_intact(name, self._data_dir)
        futures: list[Future[RunResult]] = [Future() for _ in requests]
        self._asked_for += futures
        todo: list[tuple[RunRequest, Future[RunResult]]] = []
        resolved = requests if self.taking_up is None else self.taking_up.resolve(requests)
        for each, future in zip(resolved, futures, strict=True):
            if isinstance(each, RunRequest):
                todo.append((each, future))
            else:
                future.set_result(each)
                self._observer(RunEnded(each))
        self._runner.start([request for request, _ in todo], [future for _, future in todo])
        return futures

    def check(self, count: int) -> "list[tuple[RunResult, bool]]":
        """Train configurations that have ended once more, each alone, and compare all that they compute.

        Args:
          count: how many, drawn at random; fewer where fewer have come to an end of their own.

        Returns:
          Each of them, and whether its bits are the same.
        """
        results = [future.result().flushed() for future in self._ended()]
        whole = [result for result in results if result.bits]
        drawn = random.sample(whole, min(count, len(whole)))
        return [(result, self._runner.digest_of_solo_run(result.config) == result.bits) for result in drawn]

    def stop(self) -> None:
        """End what is still being trained after its present segment, as KILLED; waits for that."""
        self._runner.stop()

    def close(self, interrupted: bool) -> list[RunResult]:
        """Wait until everything is stored; returns the results there are, settled, in the order asked for.

        Args:
          interrupted: whether somebody ended it.
        """
        try:
            results = [future.result().flushed() for future in self._ended()]
            if self._begun.sweep_run is not None:
                try:
                    self._end_sweep(results, interrupted)
                except SwathError as error:
                    self.sweep_fault = str(error)
            of_their_own = [result for result in results if result.status == "FINISHED" or result.bits]
            # One that was never begun may go on from a checkpoint another time.
            if len(of_their_own) >= self._all_asked_for():
                self._checkpoints.drop_all()
            self.spool = self._delivered()
            return results
        finally:
            self._tracker.close()

    def _delivered(self) -> str | None:
        """Have the spool delivered, if there is one; its folder where that cannot be done."""
        try:
            synced = self._tracker.sync().result()
        except SwathError as error:  # no result is lost
            synced = SyncResult(rejected=(str(error),))
        for line in synced.rejected:
            self._observer(Note(f"the server rejected the offline runs in {line}"))
        return synced.folder

    def _end_sweep(self, results: list[RunResult], interrupted: bool) -> None:
        from swath.sweeps.record import sweep_summary

        wall_s = time.perf_counter() - self.began
        asked_for = self._all_asked_for()
        assert self._begun.sweep_run is not None
        self.sweep_run_id = self._begun.sweep_run.result()
        if self.taking_up is not None:  # the record is of the whole sweep, not of what was asked for now
            results = [*results, *self.taking_up.others()]
            asked_for = max(asked_for, len(results))
        self._tracker.end_sweep(
            sweep_summary(self.sweep_info, results, asked_for, wall_s, interrupted)
        ).result()

    def _all_asked_for(self) -> int:
        return max(self.asked_for, len(self._configs))

    def abandon(self) -> list[RunResult]:
        """The results there are, without waiting; what is not stored when this process ends is not stored."""
        return [future.result().without_waiting() for future in self._ended()]

    @property
    def asked_for(self) -> int:
        """How many configurations were asked for, begun or not."""
        return len(self._asked_for)

    def tell(self, event: Event) -> None:
        """Have the screen show an event."""
        self._observer(event)

    def _ended(self) -> "list[Future[RunResult]]":
        ended = [future for future in self._asked_for if future.done() and not future.cancelled()]
        return [future for future in ended if future.exception() is None]
