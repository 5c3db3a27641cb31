"""From configurations to tracked runs: the one entry for every caller."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from swath.config.datasets import PIXELS
from swath.config.schema import DataConfig, RunConfig
from swath.data import Dataset
from swath.lane_run import LaneRun
from swath.launch import Launch, Observer, RunRequest, RunResult
from swath.plan import LaneGroup, plan_groups, plan_spans
from swath.run_start import run_start
from swath.tracking.records import Status
from swath.tracking.tracker import Tracker
from swath.training.evaluation import Evaluate, Scores, compile_evaluation
from swath.training.program import Program, compile_program
from swath.training.resident import ResidentData, Split, make_resident
from swath.training.train import Segment, train

_log = logging.getLogger("swath")


@dataclass(frozen=True)
class _Evaluated:
    scores: Scores | None
    duration_s: float


class Runner:
    """Trains configurations and tracks each as its own run; keeps data and compiled programs between calls.

    Args:
      launch: what the runs have in common.
      tracker: with an opened store.
      datasets: the images of every configuration that will be asked for.
      observer: told what happens.
    """

    def __init__(
        self, launch: Launch, tracker: Tracker, datasets: Mapping[DataConfig, Dataset], observer: Observer
    ) -> None:
        self._launch = launch
        self._tracker = tracker
        self._datasets = datasets
        self._observer = observer
        self._resident: dict[tuple[DataConfig, str], ResidentData] = {}
        self._programs: dict[tuple[DataConfig, str, int, int], Program] = {}
        self._evaluations: dict[tuple[DataConfig, str, int], Evaluate] = {}

    def run(self, requests: Sequence[RunRequest]) -> list[RunResult]:
        """Train and track every configuration.

        A configuration that fails leaves the others alone. Where the caller is interrupted, the runs that
        had begun are ended as KILLED.

        Returns:
          One result per request, in their order; not yet settled.
        """
        results: dict[int, RunResult] = {}
        for group in plan_groups([request.config for request in requests]):
            lanes = [self._begin(requests[lane.job], position) for position, lane in enumerate(group.lanes)]
            try:
                for segment in self._train(group):
                    self._feed(group, lanes, segment)
                    if all(lane.ended for lane in lanes):
                        break
            except Exception as error:
                _log.exception("training failed")
                self._abort(lanes, "FAILED", f"{type(error).__name__}: {error}".splitlines()[0])
            except BaseException:
                self._abort(lanes, "KILLED", "interrupted")
                raise
            for lane, run in zip(group.lanes, lanes, strict=True):
                assert run.result is not None
                results[lane.job] = run.result
        return [results[job] for job in range(len(requests))]

    def _begin(self, request: RunRequest, position: int) -> LaneRun:
        dataset = self._datasets[request.config.data]
        tracked = self._tracker.begin(run_start(request, self._launch, dataset))
        return LaneRun(request, position, tracked, self._observer)

    def _abort(self, lanes: Sequence[LaneRun], status: Status, reason: str) -> None:
        for lane in lanes:
            if not lane.ended:
                lane.abort(status, reason)

    def _train(self, group: LaneGroup) -> Iterator[Segment]:
        config = group.shared
        key = (config.data, config.preprocessing, config.batch_size, len(group.lanes))
        if key not in self._programs:
            self._programs[key] = compile_program(self._data(config), config.batch_size, len(group.lanes))
        return train(group, plan_spans(group), self._programs[key], PIXELS)

    def _feed(self, group: LaneGroup, lanes: Sequence[LaneRun], segment: Segment) -> None:
        alive = [lane for lane in lanes if not lane.ended]
        for lane in alive:
            lane.add_steps(segment, len(alive))
        config, end = group.shared, segment.span.end
        data = self._data(config)
        finishing = [
            run
            for lane, run in zip(group.lanes, lanes, strict=True)
            if not run.ended and lane.config.max_steps == end
        ]
        going_on = [run for run in lanes if not run.ended and run not in finishing]
        due = bool(config.evaluate_every_steps) and end % config.evaluate_every_steps == 0
        if not finishing and not (due and going_on):
            return
        validation = self._evaluate(group, segment, data.validation)
        if due and validation.scores is not None:
            for run in going_on:
                run.add_validation(end, validation.scores, validation.duration_s / len(alive))
        if finishing:
            test = self._evaluate(group, segment, data.test)
            assert test.scores is not None
            for run in finishing:
                share_s = validation.duration_s / len(alive) + test.duration_s / len(finishing)
                run.finish(
                    segment, validation.scores, test.scores, share_s, data, self._datasets[config.data]
                )

    def _evaluate(self, group: LaneGroup, segment: Segment, split: Split) -> _Evaluated:
        if len(split) == 0:
            return _Evaluated(None, 0.0)
        config = group.shared
        key = (config.data, config.preprocessing, len(group.lanes))
        if key not in self._evaluations:
            self._evaluations[key] = compile_evaluation(self._data(config), len(group.lanes))
        started = time.perf_counter()
        scores = self._evaluations[key](segment.parameters, split)
        return _Evaluated(scores, time.perf_counter() - started)

    def _data(self, config: RunConfig) -> ResidentData:
        key = (config.data, config.preprocessing)
        if key not in self._resident:
            dataset = self._datasets[config.data]
            self._resident[key] = make_resident(dataset, config.data.validation_size, config.preprocessing)
        return self._resident[key]
