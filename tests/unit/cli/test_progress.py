"""Progress output during a sweep, with and without a terminal."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from support.small import run_config

from swath.cli.progress import MAX_FAILURES, MAX_SAME_REASON, Progress, duration
from swath.cli.screens import BarReporter, PlainReporter
from swath.execution import (
    Event,
    GroupEnded,
    Note,
    Planned,
    RunEnded,
    RunResult,
    SegmentDone,
    Starting,
    StepsDone,
)
from swath.planning import LaneGroup, Segment, plan_groups

RATES = (1e-7, 1e-6, 1e36)
NOTHING: Any = None


def group() -> LaneGroup:
    configs = [run_config(learning_rate=rate, max_steps=100) for rate in RATES]
    (planned,) = plan_groups(configs, lambda config, wanted: wanted)
    return planned


def ended(
    rate: float, accuracy: float | None, error: str | None = "diverged at step 3: loss is nan"
) -> RunEnded:
    error = None if accuracy is not None else error
    metrics = {"validation/accuracy": accuracy} if accuracy is not None else {}
    status: Any = "FINISHED" if accuracy is not None else "FAILED"
    return RunEnded(RunResult(run_config(learning_rate=rate), status, metrics, error, NOTHING))


def events_of_a_sweep(planned: LaneGroup, clock: "Clock") -> Iterator[Event]:
    """Events of a sweep of three configurations, one of which diverges; the first half takes 12 seconds."""
    yield Starting()
    yield Planned([planned])
    clock.now += 12
    for rate in RATES:
        yield StepsDone(run_config(learning_rate=rate), 0, np.zeros(50))
    yield ended(1e36, None)
    yield SegmentDone(planned, Segment(0, 50), 3)
    clock.now += 12
    yield ended(1e-7, 0.2)
    yield ended(1e-6, 0.4)
    yield SegmentDone(planned, Segment(50, 100), 3)
    yield GroupEnded(planned)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def progress() -> Progress:
    return Progress(3, ("learning_rate",), Clock())


def clock_of(progress: Progress) -> Clock:
    assert isinstance(progress.clock, Clock)
    return progress.clock


def test_progress_reports_fraction_done_speed_and_remaining_time(progress: Progress) -> None:
    seen = []
    for event in events_of_a_sweep(group(), clock_of(progress)):
        progress.update(event)
        seen.append((round(progress.fraction_done, 6), progress.summary()))
    assert seen[1] == (0.0, "0/3 configurations, 0/1 groups")
    assert seen[6] == (
        0.5,
        "1/3 configurations, 1 not finished, 0/1 groups, 12 steps/s, 12 s left",
    )
    assert seen[-1] == (
        1.0,
        "3/3 configurations, 1 not finished, 1/1 groups, 6 steps/s, best 0.4000",
    )


def test_group_that_ends_early_counts_as_done(progress: Progress) -> None:
    planned = group()
    progress.update(Planned([planned]))
    progress.update(SegmentDone(planned, Segment(0, 10), 3))
    progress.update(GroupEnded(planned))
    assert progress.fraction_done == 1
    assert progress.running == {}


def test_group_name_contains_the_shared_swept_fields() -> None:
    assert Progress(3, ("batch_size", "learning_rate", "seed")).group_name(group()) == "batch_size=10 seed=0"
    assert Progress(3, ("learning_rate",)).group_name(group()) == "lanes"


@pytest.mark.parametrize(("seconds", "text"), [(8.4, "8 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_formatted_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_output_without_a_terminal_is_occasional_plain_lines(progress: Progress) -> None:
    output = io.StringIO()
    with PlainReporter(progress, output, clock_of(progress)) as screen:
        for event in events_of_a_sweep(group(), clock_of(progress)):
            screen(event)
        screen(Note("a transient note", transient=True))
        screen(Note("a note"))
    assert output.getvalue().splitlines() == [
        "Sweep of 3 configurations; loading TensorFlow and MLflow ...",
        "FAILED learning_rate=1e+36: diverged at step 3: loss is nan",
        "3/3 configurations, 1 not finished, 0/1 groups, 6 steps/s, best 0.4000",
        "a note",
    ]


@pytest.mark.parametrize("reporter", ["plain", "live"])
def test_number_of_printed_failures_is_limited(reporter: str) -> None:
    output = io.StringIO()
    counts = Progress(1000, ("learning_rate",))
    console = Console(file=output, force_terminal=True, width=100)
    makers: dict[str, Callable[[], Any]] = {
        "plain": lambda: PlainReporter(counts, output),
        "live": lambda: BarReporter("a sweep", counts, console),
    }
    with makers[reporter]() as screen:
        for number in range(1000):
            screen(ended(number + 1, None, f"diverged at step {number}"))
    assert output.getvalue().count("FAILED") == MAX_FAILURES


def test_number_of_printed_failures_with_the_same_reason_is_limited(progress: Progress) -> None:
    output = io.StringIO()
    with PlainReporter(progress, output) as screen:
        for number in range(10):
            screen(ended(number + 1, None, "MLflow: disk full"))
    lines = output.getvalue().splitlines()
    assert len(lines) == MAX_SAME_REASON
    assert lines[-1] == (
        "FAILED learning_rate=3: MLflow: disk full; further failures with this reason are not shown"
    )


def test_terminal_shows_a_bar_for_the_sweep_and_for_each_running_group(progress: Progress) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, color_system=None)
    clock = clock_of(progress)
    frames = []
    with BarReporter("learning_rate", progress, console) as screen:
        for event in events_of_a_sweep(group(), clock):
            screen(event)
            output.truncate(0)
            screen._bars.refresh()
            frames.append(output.getvalue())
    assert "learning_rate" in frames[0]
    assert "loading TensorFlow and MLflow" in frames[0]
    assert "1/3 configurations, 1 not finished, 0/1 groups, 12 steps/s, 12 s left" in frames[6]
    assert "3 lanes, step 50 of 100" in frames[6]
    assert "lanes, step" not in frames[-1]


def test_log_messages_are_printed_above_the_bars(progress: Progress) -> None:
    import logging

    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, color_system=None)
    with BarReporter("a sweep", progress, console) as screen:
        screen(Starting())
        handler = logging.StreamHandler()  # takes the current sys.stderr, as Hydra's configuration does
        record = logging.LogRecord("x", logging.WARNING, "", 0, "something odd", None, None)
        handler.handle(record)
    lines = [line.rsplit("\r", 1)[-1] for line in output.getvalue().splitlines()]
    assert any(line.replace("\x1b[2K", "").rstrip() == "something odd" for line in lines)
