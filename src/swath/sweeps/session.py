"""Carries out one command: loads data, store and TensorFlow concurrently, trains and stores runs."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from swath import execution
from swath.config import KeptSteps, SweepConfig, TrainConfig
from swath.datasets import DataKey, Dataset, load_intact
from swath.errors import SwathError
from swath.planning import LaneWidths, memory_for_groups, read_verified
from swath.sweeps.engine_settings import worker_memory
from swath.sweeps.joining import AT_A_RUNG, Joined
from swath.sweeps.loading import check_digests, check_inputs, load_datasets, open_store
from swath.sweeps.observers import SynchronizedObserver
from swath.sweeps.postprocess import PostprocessingService
from swath.sweeps.ranked_results import Ranker
from swath.sweeps.record import sweep_summary
from swath.sweeps.resume import keys_of
from swath.sweeps.search_record import SearchRecord
from swath.sweeps.starting import StartedSweep, start_sweep
from swath.tracking import (
    LotService,
    MlflowTracker,
    StoreInfo,
    SyncResult,
    Tracker,
    is_superseded,
    schema,
)
from swath.training import CheckpointWriter

if TYPE_CHECKING:
    from swath.execution import Executor, Runner


class Session:
    """One command at work: plans, resumes, trains and records a sweep. Use it in a `with` statement.

    Args:
      sweep_info: metadata that all runs of the command share.
      configs: the configurations known so far, at least one.
      settings: settings of the command.
      observer: receives events.
      tracker: records the runs, and is closed where the session is left; None for a new `MlflowTracker`.
      make_executor: (data sets, verified widths) -> executor; None for `ThreadExecutor`.
      search: what decides the trials of a search; None for other sweeps.
      joined: the lot of a sweep that this process trains; None for a sweep of its own.

    Attributes:
      began: start time of the command, on the clock of `time.perf_counter`.
      store: the opened store.
      started: the sweep in the store, and the resume plan.
      sweep_info: metadata of the command; if it resumes a sweep, with the id of that sweep.
      ranker: ranks the results of the command.
      is_whole: whether nothing is left to begin; a search says so at its end.
      superseded: why this worker may not write any more; empty if it may.
      is_last: whether this worker has ended the last lot, and with it the sweep.
      sweep_error: reason why the summary run could not be completed; None if it was.
      passes: whether that may be over later.
      offline_folder: folder of the runs that could not be sent to the store; None if there are none.

    Raises:
      SwathError: a data set or the store cannot be used. Nothing is written before all data sets are found.
    """

    def __init__(
        self,
        sweep_info: execution.SweepInfo,
        configs: tuple[TrainConfig, ...],
        settings: SweepConfig,
        observer: execution.Observer,
        tracker: Tracker | None = None,
        make_executor: "Callable[[Mapping[DataKey, Dataset], Mapping[str, bool]], Executor] | None" = None,
        search: SearchRecord | None = None,
        joined: Joined | None = None,
    ) -> None:
        self.began = time.perf_counter()
        self._configs = configs
        self._settings = settings
        self._make_executor = make_executor
        self._search = search
        self._joined = joined
        trained = (*configs, *(() if joined is None else (joined.file.canary,)))
        keys = check_inputs(configs, trained, settings, asks_store=tracker is None)
        self._tracker: Tracker = MlflowTracker() if tracker is None else tracker
        self._observer: execution.Observer = SynchronizedObserver(observer)
        self._asked_for: list[Future[execution.RunResult]] = []
        self._runner: Runner | None = None
        self.ranker = Ranker()
        self.is_whole = search is None
        self.is_last = self._is_abandoned = False
        self.superseded = ""
        self.sweep_error: str | None = None
        self.passes = False
        self.offline_folder: str | None = None
        try:
            self._load(keys)
            if settings.resume != "no":  # half a second for ten thousand; the store is opened meanwhile
                keys_of(configs, self._datasets, settings.tracking.kept)
            self.store = self._opened.result()
            for line in self.store.notes:
                self._observer(execution.Note(line))
            self.started = self._start_sweep(sweep_info, self.store)
        except BaseException:
            self._tracker.close()
            raise
        self.sweep_info = self.started.sweep_info
        self._checkpoints = self._checkpoint_writer()

    def _load(self, keys: list[DataKey]) -> None:
        # A resume may find nothing to train, so it imports TensorFlow later.
        trains = self._settings.resume == "no"
        imports = trains and self._make_executor is None
        loads = "TensorFlow" if trains else "the store"
        self._datasets = load_datasets(keys, self._settings, self._observer, loads)
        self._opened = open_store(self._tracker, self._settings, self._observer)
        check_digests(self._datasets, self._settings.data.dir, imports_tensorflow=imports)

    def _start_sweep(self, sweep_info: execution.SweepInfo, store: StoreInfo) -> StartedSweep:
        if self._joined is not None:
            self.sweep_info = sweep_info
            self._checkpoints = self._checkpoint_writer()
            self._runner = self._make_runner()
            self._joined.check_arithmetic(self._tracker, self._runner.digest_of_solo_run)
            return self._joined.begin(self._tracker, self._datasets)
        return start_sweep(
            self._tracker,
            store,
            sweep_info,
            self._configs,
            self._datasets,
            self._observer,
            self._settings,
            self._search,
        )

    def _checkpoint_writer(self) -> CheckpointWriter:
        return CheckpointWriter(
            self._tracker,
            self.sweep_info.sweep_id,
            lambda line: self._observer(execution.Note(line)),
            None if self._joined is None else self._joined.lot.number,
            self._settings.checkpoint.dir,
        )

    def _make_runner(self) -> "Runner":
        from swath.execution import Runner

        make_executor = self._make_executor
        if make_executor is None:
            from swath.execution import ThreadExecutor  # TensorFlow takes seconds

            make_executor = ThreadExecutor
        settings, verified = self._settings, read_verified()
        return Runner(
            self.sweep_info,
            self._tracker,
            self._datasets,
            self._observer,
            make_executor(self._datasets, verified),
            LaneWidths(
                settings.lanes.max, memory_for_groups(worker_memory(settings)), verified, self._datasets
            ),
            self._checkpoints,
            settings.checkpoint.every_s,
            settings.retries,
            settings.on_failure == "stop",
        )

    def start(self, requests: Sequence[execution.RunRequest]) -> "list[Future[execution.RunResult]]":
        """Start training and tracking configurations; the results of the futures are not flushed."""
        futures: list[Future[execution.RunResult]] = [Future() for _ in requests]
        self._asked_for += futures
        self._start(requests, futures)
        return futures

    def start_trials(self, requests: Sequence[execution.RunRequest]) -> "list[Future[execution.RunResult]]":
        """Start training trials of a search to their next rung; what ends for good is given to `record`."""
        futures: list[Future[execution.RunResult]] = [Future() for _ in requests]
        self._train(list(zip(requests, futures, strict=True)))
        return futures

    def record(self, result: execution.RunResult) -> None:
        """Count the result of a trial among those of the sweep."""
        future: Future[execution.RunResult] = Future()
        future.set_result(result)
        self._asked_for.append(future)

    def expect(
        self, future: "Future[execution.RunResult]", before: "execution.RunResult | None" = None
    ) -> None:
        """Count a trial that is still in training among those of the sweep.

        Args:
          future: receives its result; may be cancelled.
          before: its result so far, which counts if the training is cancelled; None if there is none.
        """
        outer: Future[execution.RunResult] = Future()

        def pass_on(ended: "Future[execution.RunResult]") -> None:
            if not ended.cancelled():
                outer.set_result(ended.result())
            elif before is not None:
                outer.set_result(before)

        future.add_done_callback(pass_on)
        self._asked_for.append(outer)

    def end_trial(
        self, paused: execution.RunResult, request: execution.RunRequest, why: str
    ) -> "Future[execution.RunResult]":
        """End a trial for good that waits at a rung; a transient failure to store it is retried.

        Args:
          paused: its result so far.
          request: would train it to the rung where it waits.
          why: why it ends there.
        """
        assert paused.paused is not None
        assert self._runner is not None
        future: Future[execution.RunResult] = Future()
        again = replace(request, start=paused.paused.state, logger=paused.logger)
        self._runner.end_paused(again, paused.paused.end(why), future)
        return future

    def _start(
        self,
        requests: Sequence[execution.RunRequest],
        futures: "Sequence[Future[execution.RunResult]]",
    ) -> None:
        plan = self.started.resume_plan
        resolved = requests if plan is None else plan.resolve(requests)
        todo: list[tuple[execution.RunRequest, Future[execution.RunResult]]] = []
        for request, each, future in zip(requests, resolved, futures, strict=True):
            if isinstance(each, execution.RunRequest):
                todo.append((each, future))
            else:
                each = replace(each, stage=request.tags.get(schema.SEARCH_STAGE, ""))
                future.set_result(each)
                self._observer(execution.RunEnded(each))
        self._train(todo)

    def _train(self, todo: "Sequence[tuple[execution.RunRequest, Future[execution.RunResult]]]") -> None:
        for key in dict.fromkeys(request.config.data.key for request, _ in todo):
            if key not in self._datasets:  # proposed by another sweeper, or in a later round
                self._datasets[key] = load_intact(key, self._settings.data.dir)
        if todo:
            if self._runner is None:
                self._runner = self._make_runner()
            self._runner.start([request for request, _ in todo], [future for _, future in todo])

    def check(self, count: int) -> "list[tuple[execution.RunResult, bool]]":
        """Train finished configurations again as solo runs and compare all results.

        Args:
          count: number of configurations, drawn at random from those that have finished or diverged.

        Returns:
          The result of each configuration, and whether the solo run is bit-identical.
        """
        if self._runner is None or self._runner.is_cancelled:
            return []
        results = [future.result().flushed() for future in self._ended()]
        complete = [result for result in results if result.digest]
        drawn = random.sample(complete, min(count, len(complete)))
        same = []
        for result in drawn:
            tested = schema.TEST_ACCURACY in result.metrics or result.stage != schema.TRIAL
            alone = self._runner.digest_of_solo_run(result.config, is_tested=tested)
            same.append((result, alone == result.digest))
        return same

    def stop(self, reason: str = "interrupted") -> None:
        """Stop training after the current segment and wait until open runs have ended as KILLED."""
        if self._runner is not None:
            self._runner.stop(reason)

    def close(self, interrupted: bool) -> list[execution.RunResult]:
        """Wait until everything is stored; returns the flushed results, in the order of the requests.

        Args:
          interrupted: whether a signal stopped the command.
        """
        try:
            why = self._runner.stop_reason if self._runner is not None else ""
            if self._joined is not None and not interrupted:
                why = AT_A_RUNG
            ended = [future.result() for future in self._ended()]
            is_open = interrupted or not self._has_all() or any(each.status == "KILLED" for each in ended)
            ended = [result.put_down(why) for result in ended]
            results = [result.flushed() for result in ended]
            plan = self.started.resume_plan
            if self._joined is not None:
                # A run that failed for good is not begun again, so its lot is done.
                is_open = is_open or any(result.is_transient for result in results)
                self._end_lot(self._joined, put_down=is_open)
            try:
                # The summary describes the whole sweep; the worker of a lot does not write it here.
                others = [] if plan is None or self._joined is not None else plan.others()
                if self.started.summary_run is not None:
                    self._end_sweep([*results, *others], interrupted)
            except SwathError as error:
                self.sweep_error = str(error)
            else:
                # Keep the checkpoints as long as any configuration of the sweep may be resumed.
                complete = [result for result in results if result.is_complete]
                all_complete = len(complete) >= self._number_asked_for() and self.is_whole
                if self._joined is None and all_complete and all(each.is_complete for each in others):
                    self._checkpoints.drop_all()
                if self._joined is not None and self._joined.leaves_nothing:
                    self._checkpoints.drop_sweep()
            self.offline_folder = self._sync()
            return results
        finally:
            if self.started.lock is not None:
                self.started.lock.release()  # a program may resume the sweep again

    def postprocess(self, models: str) -> str | None:
        """Draw plots and log models of a closed session's sweep; returns the error, if any.

        Args:
          models: `all`, `best` or `none`.
        """
        try:
            made = self._tracker.call(PostprocessingService.postprocess, self.sweep_info.sweep_id, models)
            return made.result()
        except SwathError as error:  # its process has died
            return str(error)
        except KeyboardInterrupt:
            self._tracker.stop_at_once()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        """Close the tracker, unless the session was abandoned."""
        if not self._is_abandoned:
            self._tracker.close()

    def _sync(self) -> str | None:
        """Copy offline runs to the store; returns their folder if that fails."""
        try:
            synced = self._tracker.sync().result()
        except SwathError as error:  # the offline runs are kept
            synced = SyncResult(rejected=(str(error),))
        for line in synced.rejected:
            self._observer(execution.Note(f"the store rejected the offline runs in {line}"))
        return synced.folder

    def _end_sweep(self, results: list[execution.RunResult], interrupted: bool) -> None:
        assert self.started.summary_run is not None
        self.started.summary_run.result()
        wall_s = time.perf_counter() - self.began
        most = self.sweep_info.most if interrupted else None
        asked_for = max(self._number_asked_for(), len(results), most or 0)
        summary = sweep_summary(self.sweep_info, results, asked_for, wall_s, interrupted, self.ranker)
        self._tracker.end_sweep(summary).result()

    def _end_lot(self, joined: Joined, *, put_down: bool) -> None:
        try:
            self._tracker.call(LotService.check_lot).result()
            self.is_last = joined.end(self._tracker, self._datasets, put_down=put_down)
        except SwathError as error:
            if is_superseded(error):
                self.superseded = str(error)
            else:
                self.sweep_error, self.passes = str(error), error.passes

    def _has_all(self) -> bool:
        """Whether every requested run has ended, rather than being cancelled before it began."""
        return len(self._ended()) == len(self._asked_for)

    def _number_asked_for(self) -> int:
        return max(self.asked_for, len(self._configs))

    def abandon(self) -> list[execution.RunResult]:
        """The results so far, without waiting; results that are not stored yet are lost."""
        self._is_abandoned = True
        return [future.result().put_down(stores=False).without_waiting() for future in self._ended()]

    @property
    def asked_for(self) -> int:
        """Number of requested configurations, started or not."""
        return len(self._asked_for)

    @property
    def kept(self) -> KeptSteps:
        """Which steps of its runs are stored, and where."""
        return self._settings.tracking.kept

    def tell(self, event: execution.Event) -> None:
        """Pass an event to the observer."""
        self._observer(event)

    def _ended(self) -> "list[Future[execution.RunResult]]":
        ended = [future for future in self._asked_for if future.done() and not future.cancelled()]
        return [future for future in ended if future.exception() is None]
