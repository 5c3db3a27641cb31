"""Tasks and events of executors, and the thread executor."""

import pickle
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small import run_config, small_dataset

import swath.execution.executor as executor_module
from swath.config import DataConfig, TrainConfig
from swath.datasets import DataKey
from swath.execution import Executor, GroupStopped, GroupTask, SegmentTrained, ThreadExecutor
from swath.planning import plan_groups
from swath.training import LaneTraining

LONGER: tuple[TrainConfig, ...] = tuple(
    run_config(learning_rate=rate, max_steps=30, evaluate_every_steps=10, data=DataConfig("cifar10", 100))
    for rate in (1e-6, 1e-5)
)

CONFIGS = tuple(
    run_config(learning_rate=rate, max_steps=steps, evaluate_every_steps=10, data=DataConfig("cifar10", 100))
    for rate in (1e-6, 1e-5)
    for steps in (20, 30)
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path))


@pytest.fixture
def executor() -> Iterator[Executor]:
    executor = ThreadExecutor({DataKey("cifar10"): small_dataset()}, {})
    yield executor
    executor.close()


def task(states: tuple[Any, ...] = (None, None), state_every_s: float = float("inf")) -> GroupTask:
    (group,) = plan_groups(CONFIGS, lambda *_: 2)
    assert len(group.lanes) == 2
    return GroupTask("first", group, states, state_every_s)


def assert_same(found: Any, expected: Any) -> None:
    """Assert that plain values are bit-identical, including arrays."""
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert_same(found[name], value)
    elif hasattr(expected, "__dataclass_fields__"):
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert found == expected


def test_tasks_and_events_survive_pickling(executor: Executor) -> None:
    submitted = task(state_every_s=0.0)  # every event carries states
    assert pickle.loads(pickle.dumps(submitted)) == submitted
    events = list(executor.submit(submitted))
    assert {type(event) for event in events} == {SegmentTrained}
    assert any(event.evaluations for event in events if isinstance(event, SegmentTrained))
    assert any(event.statistics is not None for event in events if isinstance(event, SegmentTrained))
    executor.stop()
    stopped = list(executor.submit(submitted))
    assert [type(event) for event in stopped] == [GroupStopped]
    for event in (*events, *stopped):
        assert_same(pickle.loads(pickle.dumps(event)), event)


def test_stopped_group_continues_from_its_states(executor: Executor) -> None:
    whole = [event for event in executor.submit(task()) if isinstance(event, SegmentTrained)]
    events = executor.submit(task(state_every_s=0.0))
    first = next(event for event in events if isinstance(event, SegmentTrained) and event.segment.end == 20)
    executor.stop()
    stopped = list(events)[-1]
    assert isinstance(stopped, GroupStopped)
    assert stopped.group_id == "first"
    for lane, arrays in stopped.states.items():
        assert_same(dict(arrays), dict(first.states[lane]))
    assert set(stopped.states) == {0, 1}
    assert whole[-1].segment.end == 30
    group = plan_groups(LONGER, lambda *_: 2, 1, (20, 20))[0]
    resumed = ThreadExecutor({DataKey("cifar10"): small_dataset()}, {})
    again = GroupTask("second", group, tuple(stopped.states[lane] for lane in (0, 1)))
    events = [event for event in resumed.submit(again) if isinstance(event, SegmentTrained)]
    assert events[0].segment.first == 20
    for lane in (0, 1):
        assert_same(dict(events[-1].states[lane]), dict(whole[-1].states[lane]))


def test_closing_the_iterator_stops_the_training(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    advance = LaneTraining.advance

    def counting_advance(training: LaneTraining, segment: Any) -> Any:
        trained.append(segment.end)
        return advance(training, segment)

    monkeypatch.setattr(LaneTraining, "advance", counting_advance)
    events = executor.submit(task())
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert len(trained) == 1


def test_dropped_runs_are_not_trained_further(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "MIN_SAVING_S", 0.0)
    submitted = task()
    events = executor.submit(submitted)
    first = next(events)
    executor.drop(submitted.group_id, [run.number for run in submitted.group.lanes[1].runs])
    rest = [event for event in events if isinstance(event, SegmentTrained)]
    assert isinstance(first, SegmentTrained) and first.lanes == (0, 1)
    assert rest[-1].segment.end == 30
    assert rest[-1].lanes == (0,)


def test_widths_are_checked_once(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []

    def check(config: Any, lanes: int) -> bool:
        checked.append(lanes)
        return lanes != 3

    monkeypatch.setattr(executor, "_check", check)
    assert [executor.is_bit_exact(CONFIGS[0], lanes) for lanes in (2, 3, 3, 2)] == [True, False, False, True]
    assert checked == [2, 3]
