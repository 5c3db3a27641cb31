"""From configurations to tracked runs: the one entry for every caller."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import psutil

from swath.config.schema import DataConfig, RunConfig
from swath.data import Dataset
from swath.estimate import memory_for_groups, workers
from swath.events import Event, Note, Observer, Planned
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

    def start(self, requests: Sequence[RunRequest]) -> "list[Future[RunResult]]":
        """Begin to train and track configurations, as many side by side as can be.

        A configuration that fails leaves the others alone.

        Returns:
          A future per request, in their order, of its result; not yet settled. Cancelled where the
          configuration was never begun.
        """
        results: list[Future[RunResult]] = [Future() for _ in requests]
        groups = plan_groups([request.config for request in requests], self._usable, workers())
        self._observer(Planned(groups))
        for group in groups:
            self._threads.submit(self._run_group, group, requests, results)
        return results

    def bits_alone(self, config: RunConfig) -> str:
        """The bits of a configuration that is trained alone and not tracked; as `RunResult.bits`."""
        run = LaneRun(RunRequest(config), 0, 1, UntrackedRun(), lambda event: None)
        GroupRun(
            alone(config), [run], self._compile(config), self._usable, self._stop, lambda event: None
        ).train()
        return run.ended.result().bits

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
        try:
            compiled = self._compile(group.shared)
            runs = [
                self._begin(requests[planned.job], index, len(group.lanes), compiled.dataset)
                for index, lane in enumerate(group.lanes)
                for planned in lane.runs
            ]
            for planned, run in zip(group.runs, runs, strict=True):
                run.ended.add_done_callback(partial(_hand_on, results[planned.job]))
            GroupRun(group, runs, compiled, self._usable, self._stop, self._observer).train()
        except BaseException as error:
            for planned in group.runs:
                if not results[planned.job].done():
                    results[planned.job].set_exception(error)

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
