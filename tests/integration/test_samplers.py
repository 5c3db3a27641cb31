"""Searches with samplers and pruners, recorded by an in-memory tracker."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.small import run_config, sweep_config

import swath.execution.executor as executor_module
from swath.config import DataConfig, SweepConfig, TrainConfig
from swath.execution import Event, Pruner, SegmentDone, SweepInfo
from swath.sweeps import GridSampler, Session, search
from swath.sweeps.samplers import Sampler
from swath.tracking import InMemoryTracker

DIGITS = DataConfig("digits", 150)
RATES = (1e-7, 1e-6, 1e-5, 1e36)


def configuration(rate: float) -> TrainConfig:
    return run_config(learning_rate=rate, max_steps=40, evaluate_every_steps=20, data=DIGITS)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path))


def run_search(
    sampler: Sampler,
    pruner: Pruner | None = None,
    segments: list[SegmentDone] | None = None,
    settings: SweepConfig | None = None,
) -> dict[float, tuple[str, float]]:
    """Status and validation accuracy of each run, by learning rate."""

    def observe(event: Event) -> None:
        if segments is not None and isinstance(event, SegmentDone):
            segments.append(event)

    tracker = InMemoryTracker()
    info = SweepInfo("search", "0123456789ab", ("learning_rate",))
    session = Session(info, (configuration(1e-6),), settings or sweep_config(), observe, tracker, pruner)
    try:
        results = search(session, sampler, 2)
    finally:
        session.stop()
        session.close(False)
    assert len(results) == len(tracker.runs)
    return {
        result.config.learning_rate: (result.status, result.metrics.get("validation/accuracy", math.nan))
        for result in results
    }


class Halving:
    """Halves the learning rate while the result improves."""

    def __init__(self) -> None:
        self.results: list[tuple[float, float]] = []
        self._next = 1e-4

    def ask(self, count: int) -> Sequence[TrainConfig]:
        if count < 2 or len(self.results) >= 3:  # proposes one configuration at a time
            return []
        return [configuration(self._next)]

    def tell(self, config: TrainConfig, value: float) -> None:
        self.results.append((config.learning_rate, value))
        self._next = config.learning_rate / 2


def test_grid_sampler_receives_nan_for_failed_runs() -> None:
    results: dict[float, float] = {}

    class Recorded(GridSampler):
        def tell(self, config: TrainConfig, value: float) -> None:
            results[config.learning_rate] = value

    found = run_search(Recorded([configuration(rate) for rate in RATES]))
    assert {rate: status for rate, (status, _) in found.items()} == {
        rate: "FAILED" if rate == 1e36 else "FINISHED" for rate in RATES
    }
    assert math.isnan(results.pop(1e36))
    assert results == {rate: accuracy for rate, (status, accuracy) in found.items() if status == "FINISHED"}


def test_search_ends_when_the_session_stops_after_a_failure() -> None:
    settings = sweep_config(on_failure="stop")
    found = run_search(GridSampler([configuration(rate) for rate in (1e36, *RATES)]), settings=settings)
    assert found[1e36][0] == "FAILED"


def test_exception_in_a_pruner_fails_one_run() -> None:
    class Faulty:
        def keeps(self, config: TrainConfig, step: int, accuracy: float) -> bool:
            if config.learning_rate == 1e-7:
                raise ValueError("no idea")
            return True

    found = run_search(GridSampler([configuration(rate) for rate in RATES[:3]]), Faulty())
    assert [found[rate][0] for rate in RATES[:3]] == ["FAILED", "FINISHED", "FINISHED"]


def test_sampler_receives_results_before_it_proposes_more() -> None:
    sampler = Halving()
    found = run_search(sampler)
    assert [rate for rate, _ in sampler.results] == [1e-4, 5e-5, 2.5e-5]
    assert found == {rate: ("FINISHED", value) for rate, value in sampler.results}


def test_pruned_run_is_not_trained_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "MIN_SAVING_S", 0.0)
    monkeypatch.setattr(executor_module, "segment_steps_of", lambda group: 10)

    class Strict:
        def keeps(self, config: TrainConfig, step: int, accuracy: float) -> bool:
            return step != 20 or config.learning_rate != 1e-7

    segments: list[SegmentDone] = []
    found = run_search(GridSampler([configuration(rate) for rate in RATES[:2]]), Strict(), segments)
    assert [found[rate][0] for rate in RATES[:2]] == ["KILLED", "FINISHED"]
    assert [(done.segment.end, done.lanes) for done in segments] == [(10, 2), (20, 2), (30, 1), (40, 1)]
