"""The runner: failures are isolated to a run, observers get events, steps are thinned."""

import inspect
from collections.abc import Generator
from concurrent.futures import Future

import numpy as np
import pytest
from support.small import run_config, small_dataset

from swath.config import KeptSteps, TrainConfig
from swath.errors import SwathError
from swath.execution import (
    Event,
    GroupEnded,
    GroupEvent,
    GroupTask,
    Planned,
    RunEnded,
    Runner,
    RunRequest,
    RunResult,
    SegmentDone,
    StepsDone,
    SweepInfo,
    ThreadExecutor,
)
from swath.planning import LaneWidths
from swath.tracking import MetricBatch, NullRunLogger, NullTracker, RunInfo

PLENTY = 10**12
"""Bytes of memory; more than any group needs."""

CONFIGS = [run_config(learning_rate=rate, max_steps=40) for rate in (1e-7, 1e-6, 1e-5, 1e36)]


class RecordingRun(NullRunLogger):
    """Keeps metric batches. With `fails`, the check after the first batch reports that it was not stored."""

    def __init__(self, fails: bool) -> None:
        self.batches: list[MetricBatch] = []
        self._breaks = fails

    def log(self, batch: MetricBatch) -> None:
        self.batches.append(batch)

    def check(self) -> None:
        if self._breaks and self.batches:
            raise SwathError("MLflow: the disk is full")


class RecordingTracker(NullTracker):
    """Keeps runs by learning rate."""

    def __init__(self, failing: str = "") -> None:
        self.runs: dict[str, RecordingRun] = {}
        self._breaking = failing

    def start_run(self, start: RunInfo, run_id: str | None = None) -> RecordingRun:
        rate = start.params["learning_rate"]
        self.runs[rate] = RecordingRun(rate == self._breaking)
        return self.runs[rate]


def run_all(
    configs: list[TrainConfig],
    tracker: RecordingTracker,
    events: list[Event] | None = None,
    kept: KeptSteps | None = None,
) -> list[RunResult]:
    seen = [] if events is None else events
    runner = Runner(
        SweepInfo("a sweep", "id", ("learning_rate",)),
        tracker,
        datasets := {configs[0].data.key: small_dataset()},
        seen.append,
        ThreadExecutor(datasets, {}),
        LaneWidths(24, PLENTY),
    )
    futures: list[Future[RunResult]] = [Future() for _ in configs]
    runner.start([RunRequest(config, kept=kept or KeptSteps()) for config in configs], futures)
    results = [future.result() for future in futures]
    alone = [runner.digest_of_solo_run(result.config) for result in results]
    runner.stop()
    assert all(result.digest in ("", digest) for result, digest in zip(results, alone, strict=True))
    return results


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.planning.lane_groups.SEGMENT_STEPS", 10)


def test_tracking_failure_ends_only_its_own_lane() -> None:
    results = run_all(CONFIGS, RecordingTracker("1e-06"))
    assert [result.status for result in results] == ["FINISHED", "FAILED", "FINISHED", "FAILED"]
    assert results[1].error == "MLflow: the disk is full"
    assert results[1].digest == ""
    assert results[3].error is not None
    assert results[3].error.startswith("diverged at step ")
    assert results[0].digest and results[2].digest and results[3].digest


def test_run_that_cannot_be_started_fails_with_its_group() -> None:
    class FullDisk(RecordingTracker):
        def start_run(self, start: RunInfo, run_id: str | None = None) -> RecordingRun:
            if start.params["learning_rate"] == "1e-06":
                raise OSError("no space left")
            return super().start_run(start)

    events: list[Event] = []
    configs = [run_config(learning_rate=1e-7), run_config(), run_config(learning_rate=1e-5, seed=1)]
    sweep_info = SweepInfo("a sweep", "id", ())
    datasets = {configs[0].data.key: small_dataset()}
    executor = ThreadExecutor(datasets, {})
    runner = Runner(sweep_info, FullDisk(), datasets, events.append, executor, LaneWidths(24, PLENTY))
    futures: list[Future[RunResult]] = [Future() for _ in configs]
    runner.start([RunRequest(config) for config in configs], futures)
    results = [future.result(timeout=60) for future in futures]
    runner.stop()
    assert [result.status for result in results] == ["FAILED", "FAILED", "FINISHED"]
    assert {result.error for result in results[:2]} == {"OSError: no space left"}
    assert sum(isinstance(event, RunEnded) for event in events) == 3
    assert sum(isinstance(event, GroupEnded) for event in events) == 2


def test_rejected_task_fails_its_runs() -> None:
    class Rejecting(ThreadExecutor):
        def submit(self, task: GroupTask) -> Generator[GroupEvent, None, None]:
            raise ConnectionError("the cluster rejected the task")

    config = run_config()
    datasets = {config.data.key: small_dataset()}
    runner = Runner(
        SweepInfo("a sweep", "id", ()),
        RecordingTracker(),
        datasets,
        lambda event: None,
        Rejecting(datasets, {}),
        LaneWidths(24, PLENTY),
    )
    future: Future[RunResult] = Future()
    runner.start([RunRequest(config)], [future])
    result = future.result(timeout=60)
    runner.stop()
    assert (result.status, result.error) == ("FAILED", "ConnectionError: the cluster rejected the task")


def test_training_of_a_group_stops_when_its_runs_have_failed() -> None:
    streams: list[Generator[GroupEvent, None, None]] = []

    class Keeping(ThreadExecutor):
        def submit(self, task: GroupTask) -> Generator[GroupEvent, None, None]:
            streams.append(super().submit(task))  # the reference keeps it from being closed when it is freed
            return streams[-1]

    config = run_config(learning_rate=1e-6, max_steps=40)
    datasets = {config.data.key: small_dataset()}
    runner = Runner(
        SweepInfo("a sweep", "id", ()),
        RecordingTracker("1e-06"),
        datasets,
        lambda event: None,
        Keeping(datasets, {}),
        LaneWidths(24, PLENTY),
    )
    future: Future[RunResult] = Future()
    runner.start([RunRequest(config)], [future])
    assert future.result(timeout=60).status == "FAILED"
    assert not runner.is_cancelled
    runner.stop()
    assert runner.is_cancelled
    (stream,) = streams
    assert inspect.getgeneratorstate(stream) == inspect.GEN_CLOSED


def test_every_configuration_may_fail() -> None:
    configs = [run_config(learning_rate=rate, max_steps=40) for rate in (1e36, 2e36, 3e36)]
    assert {result.status for result in run_all(configs, RecordingTracker())} == {"FAILED"}


def test_observer_receives_every_event() -> None:
    events: list[Event] = []
    run_all(CONFIGS, RecordingTracker(), events)
    (planned,) = [event for event in events if isinstance(event, Planned)]
    assert sum(isinstance(event, RunEnded) for event in events) == len(CONFIGS)
    assert sum(isinstance(event, GroupEnded) for event in events) == len(planned.groups)
    steps = sum(len(event.accuracies) for event in events if isinstance(event, StepsDone))
    assert 3 * 40 < steps < 4 * 40
    for group in planned.groups:
        segments = [
            event.segment for event in events if isinstance(event, SegmentDone) and event.group is group
        ]
        assert segments[-1].end == group.max_steps


@pytest.mark.parametrize("every_steps", [1, 7, 39, 1000])
def test_thinning_keeps_the_first_and_the_last_step(every_steps: int) -> None:
    configs = [run_config(learning_rate=rate, max_steps=40, evaluate_every_steps=15) for rate in (1e-6, 1e36)]
    tracker = RecordingTracker()
    finished, diverged = run_all(configs, tracker, kept=KeptSteps(every_steps))
    assert diverged.error is not None
    last = int(diverged.error.split("step ")[1].split(":")[0])
    for rate, last_step in (("1e-06", 39), ("1e+36", last)):
        stored = [
            batch.first_step + batch.every * offset
            for batch in tracker.runs[rate].batches
            for offset in range(len(batch.values.get("train/loss", ())))
        ]
        assert stored == sorted({*range(0, last_step + 1, every_steps), last_step})
    assert finished.status == "FINISHED"


def test_thinned_values_belong_to_their_steps() -> None:
    values = {}
    for every_steps in (1, 7):
        tracker = RecordingTracker()
        run_all([run_config(max_steps=40)], tracker, kept=KeptSteps(every_steps))
        batches = tracker.runs["1e-06"].batches
        values[every_steps] = np.concatenate([batch.values["train/loss"] for batch in batches])
    assert values[7].tolist() == values[1][[*range(0, 40, 7), 39]].tolist()
