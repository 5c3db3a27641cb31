"""From configurations to tracked runs: the one entry for every caller."""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import psutil

from swath.config.schema import DataConfig, RunConfig
from swath.config.stored import readable_name
from swath.data import Dataset
from swath.errors import SwathError
from swath.estimate import memory_for_groups, workers
from swath.events import Event, GroupEnded, Note, Observer, Planned, RunEnded
from swath.group_run import Compiled, GroupRun
from swath.lane_limits import LaneLimits
from swath.lane_run import LaneRun
from swath.launch import Launch, RunRequest, RunResult
from swath.plan import LaneGroup, alone, plan_groups
from swath.run_start import run_start
from swath.tracking.tracker import Tracker, UntrackedRun
from swath.training.evaluation import compile_evaluation
from swath.training.probe import keeps_bits
from swath.training.program import compile_program
from swath.training.resident import make_resident

_log = logging.getLogger("swath")


class Runner:
    """Trains configurations and tracks each as its own run; keeps data and compiled programs between calls.

    Args:
      launch: what the runs have in common.
      tracker: with an opened store.
      datasets: the images of every configuration that will be asked for.
      observer: told what happens, from several threads, one at a time.
      max_lanes: most configurations in one program.
    """

    def __init__(
        self,
        launch: Launch,
        tracker: Tracker,
        datasets: Mapping[DataConfig, Dataset],
        observer: Observer,
        max_lanes: int,
    ) -> None:
        self._launch = launch
        self._tracker = tracker
        self._datasets = datasets
        self._observer = observer
        self._usable = LaneLimits(
            max_lanes,
            memory_for_groups(psutil.virtual_memory().available),
            self._keeps_bits,
            lambda text: observer(Note(text)),
        )
        self._compiled: dict[tuple[DataConfig, str], Compiled] = {}
        self._compiling = threading.Lock()
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(workers(), thread_name_prefix="swath-group")

    def start(self, requests: Sequence[RunRequest], results: "Sequence[Future[RunResult]]") -> None:
        """Begin to train and track configurations, as many side by side as can be.

        A configuration that fails leaves the others alone.

        Args:
          requests: what is run.
          results: for each of them a future of its result, which will not be settled yet; cancelled where the
            configuration is never begun.
        """
        groups = plan_groups([request.config for request in requests], self._usable, workers())
        self._observer(Planned(groups))
        for group in groups:
            self._threads.submit(self._run_group, group, requests, results)

    def bits_alone(self, config: RunConfig) -> str:
        """The bits of a configuration that is trained alone and not tracked; as `RunResult.bits`.

        Raises:
          SwathError: it came to no end of its own.
        """
        run = LaneRun(RunRequest(config), 0, 1, UntrackedRun(), _nobody)
        GroupRun(alone(config), [run], self._compile(config), self._usable, self._stop, _nobody).train()
        result = run.ended.result()
        if not result.bits:
            raise SwathError(f"{readable_name(config)} could not be trained again: {result.error}")
        return result.bits

    def stop(self) -> None:
        """End every group after its present segment, its runs as KILLED; waits for that."""
        self._stop.set()
        self._threads.shutdown(wait=True)

    def _run_group(
        self, group: LaneGroup, requests: Sequence[RunRequest], results: "Sequence[Future[RunResult]]"
    ) -> None:
        if self._stop.is_set():
            for planned in group.runs:
                results[planned.job].cancel()
            return
        runs: list[LaneRun] = []
        try:
            compiled = self._compile(group.shared)
            for index, lane in enumerate(group.lanes):
                for planned in lane.runs:
                    run = self._begin(requests[planned.job], index, len(group.lanes), compiled.dataset)
                    run.ended.add_done_callback(partial(_hand_on, results[planned.job]))
                    runs.append(run)
        except Exception as error:
            _log.exception("a lane group could not be begun")
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            for run in runs:
                run.abort("FAILED", reason)
            for planned in group.runs[len(runs) :]:
                result = RunResult(planned.config, "FAILED", {}, reason, UntrackedRun())
                results[planned.job].set_result(result)
                self._observer(RunEnded(result))
            self._observer(GroupEnded(group))
            return
        GroupRun(group, runs, compiled, self._usable, self._stop, self._observer).train()

    def _begin(self, request: RunRequest, lane: int, lanes: int, dataset: Dataset) -> LaneRun:
        tracked = self._tracker.begin(run_start(request, self._launch, dataset))
        return LaneRun(request, lane, lanes, tracked, self._observer)

    def _keeps_bits(self, config: RunConfig, lanes: int) -> bool:
        text = f"finding out, once: do {lanes} lanes keep their bits here at batch_size={config.batch_size}?"
        self._observer(Note(text, passing=True))
        compiled = self._compile(config)
        return keeps_bits(compiled.program, compiled.evaluate, compiled.data, config.batch_size, lanes)

    def _compile(self, config: RunConfig) -> Compiled:
        key = (config.data, config.preprocessing)
        with self._compiling:
            if key not in self._compiled:
                dataset = self._datasets[config.data]
                data = make_resident(dataset, config.data.validation_size, config.preprocessing)
                self._compiled[key] = Compiled(dataset, data, compile_program(data), compile_evaluation(data))
            return self._compiled[key]


def _nobody(event: Event) -> None:
    """Watches, and tells nobody."""


def _hand_on(to: "Future[RunResult]", done: "Future[RunResult]") -> None:
    to.set_result(done.result())
