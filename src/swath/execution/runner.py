"""From configurations to tracked runs: the one entry for every caller."""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from swath.config import DataConfig, RunConfig, readable_name
from swath.datasets import Dataset
from swath.errors import SwathError
from swath.execution.events import Cancellation, Event, GroupEnded, Note, Observer, Planned, RunEnded
from swath.execution.group_trainer import CompiledData, GroupTrainer
from swath.execution.runs import RunRequest, RunResult, SweepInfo
from swath.execution.trial_run import TrialRun, is_transient, run_info
from swath.planning import Lane, LaneGroup, LaneWidths, PlannedRun, alone, memory_for_groups, plan_groups
from swath.system import available_bytes, workers
from swath.tracking import NullRunLogger, Tracker
from swath.training import Checkpoints, compile_evaluation, compile_program, is_bit_exact, make_resident

_log = logging.getLogger("swath")


class Runner:
    """Trains configurations and tracks each as its own run; keeps data and compiled programs between calls.

    Args:
      sweep_info: what the runs have in common.
      tracker: begins a run; its store has been opened.
      datasets: the images of every configuration that will be asked for.
      observer: told what happens, from several threads, one at a time.
      max_lanes: most configurations in one program.
      checkpoints: kept of groups that are trained; None for none.
      retries: times that a configuration is tried again whose failure can pass.
      stop_on_failure: whether one that fails ends the others.
    """

    def __init__(
        self,
        sweep_info: SweepInfo,
        tracker: Tracker,
        datasets: Mapping[DataConfig, Dataset],
        observer: Observer,
        max_lanes: int,
        checkpoints: Checkpoints | None = None,
        retries: int = 0,
        stop_on_failure: bool = False,
    ) -> None:
        self._launch = sweep_info
        self._tracker = tracker
        self._datasets = datasets
        self._observer = observer
        self._usable = LaneWidths(
            max_lanes,
            memory_for_groups(available_bytes()),
            self._is_bit_exact,
            lambda text: observer(Note(text)),
        )
        self._compiled: dict[tuple[DataConfig, str], CompiledData] = {}
        self._compiling = threading.Lock()
        self._stop = Cancellation()
        self._checkpoints = checkpoints
        self._retries = retries
        self._stop_on_failure = stop_on_failure
        self._threads = ThreadPoolExecutor(workers(), thread_name_prefix="swath-group")

    def start(self, requests: Sequence[RunRequest], results: "Sequence[Future[RunResult]]") -> None:
        """Begin to train and track configurations, as many side by side as can be.

        A configuration that fails leaves the others alone.

        Args:
          requests: what is run.
          results: for each of them a future of its result, which will not be settled yet; cancelled where the
            configuration is never begun.
        """
        configs = [request.config for request in requests]
        first_steps = [request.first_step for request in requests]
        groups = plan_groups(configs, self._usable, workers(), first_steps)
        self._observer(Planned(groups))
        of_jobs = dict(enumerate(requests)), dict(enumerate(results))
        for group in groups:
            self._threads.submit(self._run_group, group, *of_jobs)

    def digest_of_solo_run(self, config: RunConfig) -> str:
        """The bits of a configuration that is trained alone and not tracked; as `RunResult.bits`.

        Raises:
          SwathError: it came to no end of its own.
        """
        run = TrialRun(RunRequest(config), 0, 1, NullRunLogger(), _nobody)
        GroupTrainer(alone(config), [run], self._compile(config), self._usable, self._stop, _nobody).train()
        result = run.ended.result()
        if not result.bits:
            raise SwathError(f"{readable_name(config)} could not be trained again: {result.error}")
        return result.bits

    def stop(self, reason: str = "interrupted") -> None:
        """End every group after its present segment, its runs as KILLED for a reason; waits for that."""
        self._stop.set(reason)
        self._threads.shutdown(wait=True)

    def _run_group(
        self,
        group: LaneGroup,
        requests: "Mapping[int, RunRequest]",
        results: "Mapping[int, Future[RunResult]]",
    ) -> None:
        if self._stop.is_set():
            for planned in group.runs:
                results[planned.job].cancel()
            return
        runs: list[TrialRun] = []
        try:
            compiled = self._compile(group.shared)
            for index, lane in enumerate(group.lanes):
                for planned in lane.runs:
                    request = requests[planned.job]
                    run = self._begin(request, index, len(group.lanes), compiled.dataset)
                    run.ended.add_done_callback(
                        partial(self._handle_end, planned, request, results[planned.job])
                    )
                    runs.append(run)
        except Exception as error:
            _log.debug("a lane group could not be begun", exc_info=error)
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
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
                    )
                )
                self._handle_end(planned, requests[planned.job], results[planned.job], ended)
            self._observer(GroupEnded(group))
            return
        GroupTrainer(
            group, runs, compiled, self._usable, self._stop, self._observer, self._checkpoints
        ).train()

    def _handle_end(
        self,
        planned: PlannedRun,
        request: RunRequest,
        handed_on: "Future[RunResult]",
        ended: "Future[RunResult]",
    ) -> None:
        """Hand a result on; or try once more where the failure is one that can pass."""
        result = ended.result()
        if self._retries or self._stop_on_failure:
            result = _known_to_be_stored(result)
        if result.status == "FAILED":
            if result.is_transient and request.attempt < self._retries and not self._stop.is_set():
                self._retry(planned, request, handed_on, result)
                return
            if self._stop_on_failure:
                self._stop.set(f"{readable_name(result.config)} failed, and on_failure=stop")
        handed_on.set_result(result)
        self._observer(RunEnded(result))

    def _retry(
        self, planned: PlannedRun, request: RunRequest, handed_on: "Future[RunResult]", failed: RunResult
    ) -> None:
        """Train a configuration again, alone, in the same run of the store."""
        attempt = request.attempt + 1
        name, times = readable_name(failed.config), f"{attempt} of {self._retries}"
        self._observer(Note(f"FAILED {name}: {failed.error}; trying again, {times}"))
        again = replace(request, run_id=failed.tracked.wait_for_id() or request.run_id, attempt=attempt)
        group = LaneGroup((Lane((planned,)),))
        self._observer(Planned([group]))
        self._threads.submit(self._run_group, group, {planned.job: again}, {planned.job: handed_on})

    def _begin(self, request: RunRequest, lane: int, lanes: int, dataset: Dataset) -> TrialRun:
        tracked = self._tracker.start_run(run_info(request, self._launch, dataset), request.run_id)
        return TrialRun(request, lane, lanes, tracked, self._observer)

    def _is_bit_exact(self, config: RunConfig, lanes: int) -> bool:
        text = f"finding out, once: do {lanes} lanes keep their bits here at batch_size={config.batch_size}?"
        self._observer(Note(text, passing=True))
        compiled = self._compile(config)
        return is_bit_exact(compiled.program, compiled.evaluate, compiled.data, config.batch_size, lanes)

    def _compile(self, config: RunConfig) -> CompiledData:
        key = (config.data, config.preprocessing)
        with self._compiling:
            if key not in self._compiled:
                dataset = self._datasets[config.data]
                data = make_resident(dataset, config.data.validation_size, config.preprocessing)
                self._compiled[key] = CompiledData(
                    dataset, data, compile_program(data), compile_evaluation(data)
                )
            return self._compiled[key]


def _known_to_be_stored(result: RunResult) -> RunResult:
    """A result once everything of it is stored; a fault of the store is one that can pass."""
    flushed = result.flushed()
    came_after = flushed.status == "FAILED" and result.status != "FAILED"
    return replace(flushed, is_transient=True) if came_after else flushed


def _nobody(event: Event) -> None:
    """Watches, and tells nobody."""
