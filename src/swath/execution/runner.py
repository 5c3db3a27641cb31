"""Runner: trains configurations as lane groups and records each as a run."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from uuid import uuid4

from swath.config import TrainConfig, readable_name
from swath.datasets import DataKey, Dataset
from swath.errors import SwathError, failure_reason
from swath.execution import events
from swath.execution.run_metadata import run_info, trial_info
from swath.execution.runs import RunRequest, RunResult, SweepInfo, Trial
from swath.execution.trial_group import TrialGroup
from swath.execution.trial_run import TrialRun, is_transient, may_pass
from swath.planning import Lane, LaneGroup, LaneWidths, PlannedRun, plan_groups, solo_group
from swath.tracking import NullRunLogger, RunInfo, Tracker
from swath.training import Checkpoints

_log = logging.getLogger("swath")


class Runner:
    """Trains configurations and records each as a run.

    Args:
      sweep_info: properties that the runs share.
      tracker: records the runs; its store is open.
      datasets: the data sets of all configurations, by name.
      observer: receives events from several threads, one at a time.
      executor: trains lane groups; it is closed when the runner is stopped.
      widths: the widths that are known to be allowed or not.
      checkpoints: saves train states of groups; None to save none.
      checkpoint_every_s: seconds between two checkpoints of a group.
      retries: retries per run after a transient failure.
      stop_on_failure: whether a failed run stops the others.
    """

    def __init__(
        self,
        sweep_info: SweepInfo,
        tracker: Tracker,
        datasets: Mapping[DataKey, Dataset],
        observer: events.Observer,
        executor: events.Executor,
        widths: LaneWidths,
        checkpoints: Checkpoints | None = None,
        checkpoint_every_s: float = float("inf"),
        retries: int = 0,
        stop_on_failure: bool = False,
    ) -> None:
        self._sweep_info = sweep_info
        self._tracker = tracker
        self._datasets = datasets
        self._observer = observer
        self._executor = executor
        self._widths = widths
        self._checkpoints = checkpoints
        self._checkpoint_every_s = checkpoint_every_s
        self._retries = retries
        self._stop_on_failure = stop_on_failure
        self._cancellation = events.Cancellation()
        self._noted: set[str] = set()
        self._threads = ThreadPoolExecutor(executor.workers(), thread_name_prefix="swath-group")

    def start(self, requests: Sequence[RunRequest], results: "Sequence[Future[RunResult]]") -> None:
        """Start to train configurations, as many together as possible.

        A failed configuration does not affect the others.

        Args:
          requests: the configurations.
          results: one future per request. Its result may not be stored completely yet. It is cancelled if
            the configuration is never started.
        """
        groups = self._plan(requests)
        self._observer(events.Planned(groups, self._widths.images))
        of_jobs = dict(enumerate(requests)), dict(enumerate(results))
        for group in groups:
            self._threads.submit(self._run_group, group, *of_jobs)

    def end_paused(self, request: RunRequest, ended: RunResult, result: "Future[RunResult]") -> None:
        """Take the end of a run that waited at a rung like that of any other run; see `start`.

        Args:
          request: continues the run from where it waited, with no step left, if its end must be retried.
          ended: what `Paused.end` returned.
          result: receives the result.
        """
        future: Future[RunResult] = Future()
        future.set_result(ended)
        self._handle_end(PlannedRun(0, request.config, request.first_step), request, result, future)

    def digest_of_solo_run(self, config: TrainConfig, *, is_tested: bool = True) -> str:
        """Train a configuration alone, without recording it, and return its result digest.

        Args:
          config: the configuration.
          is_tested: whether it is evaluated on the test images; a search does so with few trials.

        Raises:
          SwathError: the run failed.
        """
        group, key = solo_group(config), config.data.key
        trial = None if is_tested else Trial(0, 0, "", config, is_last=True, tests=False)
        run = TrialRun(RunRequest(config, trial=trial), 0, 1, NullRunLogger(), _ignore)
        untested = frozenset() if is_tested else frozenset({group.runs[0].number})
        task = events.GroupTask(uuid4().hex, group, (None,), untested=untested)
        alone = TrialGroup(task.group_id, group, [run], self._datasets[key], _ignore)
        with closing(self._executor.submit(task)) as stream:
            alone.consume(stream, lambda: self._cancellation.reason)
        result = run.ended.result()
        if not result.digest:
            raise SwathError(f"{readable_name(config)} failed in its solo run: {result.error}")
        return result.digest

    @property
    def is_cancelled(self) -> bool:
        """Whether nothing more is trained, because of `stop` or of a failure that stops the others."""
        return self._cancellation.is_set()

    @property
    def stop_reason(self) -> str:
        """Why nothing more is trained; empty while it is."""
        return self._cancellation.reason

    def stop(self, reason: str = "interrupted") -> None:
        """Stop every group after its current segment and wait. Its runs become KILLED, with the reason."""
        self._cancel(reason)
        self._threads.shutdown(wait=True)
        self._executor.close()

    def _cancel(self, reason: str) -> None:
        self._cancellation.set(reason)
        self._executor.stop()

    def _plan(self, requests: Sequence[RunRequest]) -> list[LaneGroup]:
        """Plan lane groups with bit-exact widths; verifies widths that are unknown."""
        configs = [request.config for request in requests]
        first_steps = [request.first_step for request in requests]
        while True:
            groups = plan_groups(configs, self._widths, self._executor.workers(), first_steps)
            unverified = self._widths.unverified(groups)
            if not unverified:
                break
            for config, width in unverified:
                self._verify(config, width)
        for note in self._widths.notes(configs):
            if note not in self._noted:
                self._noted.add(note)
                self._observer(events.Note(note))
        return groups

    def _verify(self, config: TrainConfig, width: int) -> None:
        text = f"Probing whether {width} lanes are bit-exact for batch_size={config.batch_size} (once) ..."
        self._observer(events.Note(text, transient=True))
        answer = self._executor.is_bit_exact(config, width)
        self._widths = self._widths.with_answer(config, width, answer)

    def _run_group(
        self,
        group: LaneGroup,
        requests: "Mapping[int, RunRequest]",
        results: "Mapping[int, Future[RunResult]]",
    ) -> None:
        if self._cancellation.is_set():
            for planned in group.runs:
                results[planned.number].cancel()
                results[planned.number].set_running_or_notify_cancel()  # wakes those who wait for it
            return
        dataset = self._datasets[group.shared.data.key]
        runs: list[TrialRun] = []
        try:
            for index, lane in enumerate(group.lanes):
                for planned in lane.runs:
                    request = requests[planned.number]
                    run = self._start_run(request, index, len(group.lanes), dataset)
                    run.ended.add_done_callback(
                        partial(self._handle_end, planned, request, results[planned.number])
                    )
                    runs.append(run)
        except Exception as error:
            self._fail(group, runs, requests, results, error)
            return
        starts = {planned.number: requests[planned.number].start for planned in group.runs}
        states = [starts[lane.runs[0].number] for lane in group.lanes]
        task = events.GroupTask(
            uuid4().hex[:16],
            group,
            tuple(None if state is None else state.arrays for state in states),
            self._checkpoint_every_s if self._checkpoints is not None else float("inf"),
            frozenset(planned.number for planned in group.runs if not _tests(requests[planned.number])),
        )
        trial = TrialGroup(task.group_id, group, runs, dataset, self._observer, self._checkpoints)
        try:
            stream = self._executor.submit(task)
        except Exception as error:
            self._fail(group, runs, requests, results, error)
            return
        with closing(stream):
            trial.consume(
                stream, lambda: self._cancellation.reason, partial(self._executor.drop, task.group_id)
            )

    def _fail(
        self,
        group: LaneGroup,
        runs: Sequence[TrialRun],
        requests: "Mapping[int, RunRequest]",
        results: "Mapping[int, Future[RunResult]]",
        error: Exception,
    ) -> None:
        """End a group that could not be started, or not all of its runs."""
        _log.debug("a lane group could not be started", exc_info=error)
        reason = failure_reason(error)
        for run in runs:
            run.abort("FAILED", reason, error)
        for planned in group.runs[len(runs) :]:
            ended: Future[RunResult] = Future()
            ended.set_result(
                RunResult(
                    planned.config,
                    "FAILED",
                    {},
                    reason,
                    NullRunLogger(),
                    is_transient=is_transient(error),
                    passes=may_pass(error),
                )
            )
            self._handle_end(planned, requests[planned.number], results[planned.number], ended)
        self._observer(events.GroupEnded(group))

    def _handle_end(
        self,
        planned: PlannedRun,
        request: RunRequest,
        future: "Future[RunResult]",
        ended: "Future[RunResult]",
    ) -> None:
        """Resolve the future of a run that has ended, or retry the run after a transient failure."""
        result = ended.result()
        if (self._retries or self._stop_on_failure) and result.paused is None:
            result = _flushed(result)
        if result.status == "FAILED":
            if result.is_transient and request.attempt < self._retries and not self._cancellation.is_set():
                self._retry(planned, request, future, result)
                return
            if self._stop_on_failure:
                self._cancel(f"{readable_name(result.config)} failed, and on_failure=stop")
        future.set_result(result)
        self._observer(events.RunPaused(result) if result.paused else events.RunEnded(result))

    def _retry(
        self, planned: PlannedRun, request: RunRequest, future: "Future[RunResult]", failed: RunResult
    ) -> None:
        """Train a configuration again, in a group of its own; it continues the same run of the store."""
        attempt = request.attempt + 1
        name, times = readable_name(failed.config), f"{attempt} of {self._retries}"
        self._observer(events.Note(f"FAILED {name}: {failed.error}; retrying, {times}"))
        run_id = failed.logger.wait_for_id() or request.run_id
        again = replace(request, run_id=run_id, logger=None, attempt=attempt)
        group = LaneGroup((Lane((planned,)),))
        self._observer(events.Planned([group], self._widths.images))
        try:
            self._threads.submit(self._run_group, group, {planned.number: again}, {planned.number: future})
        except RuntimeError:  # stopped meanwhile
            future.set_result(failed)
            self._observer(events.RunEnded(failed))

    def _start_run(self, request: RunRequest, lane: int, lanes: int, dataset: Dataset) -> TrialRun:
        logger = request.logger
        if logger is None:
            logger = self._tracker.start_run(run_info(request, self._sweep_info, dataset), request.run_id)
        if request.trial is None:
            return TrialRun(request, lane, lanes, logger, self._observer)

        def described(finished: bool) -> RunInfo:
            return trial_info(request, self._sweep_info, dataset, finished=finished)

        return TrialRun(request, lane, lanes, logger, self._observer, described)


def _flushed(result: RunResult) -> RunResult:
    """Wait until a result is stored completely; a failure to store it is transient."""
    flushed = result.flushed()
    store_failed = flushed.status == "FAILED" and result.status != "FAILED"
    return replace(flushed, is_transient=True) if store_failed else flushed


def _ignore(event: events.Event) -> None:
    """An observer that ignores all events."""


def _tests(request: RunRequest) -> bool:
    """Whether a run is evaluated on the test images after the steps of its request."""
    return request.trial is None or request.trial.tests or request.trial.shows_test
