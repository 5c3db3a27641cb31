"""Progress output during a sweep, with and without a terminal."""

import io
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from support.small import run_config
from support.terminal import Terminal

from swath.analysis import MAX_FAILURES
from swath.cli.progress import MAX_SAME_REASON, Progress, duration
from swath.cli.screens import LEAST_BAR, LINE_EVERY_S, BarReporter, PlainReporter, QuietReporter
from swath.cli.store_actions import progress_bar
from swath.config import computed_values
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
    return Progress(3, ("learning_rate",), 9.2, Clock())


def clock_of(progress: Progress) -> Clock:
    assert isinstance(progress.clock, Clock)
    return progress.clock


def test_progress_reports_fraction_done_remaining_time_and_best_run(progress: Progress) -> None:
    seen = []
    for event in events_of_a_sweep(group(), clock_of(progress)):
        progress.update(event)
        seen.append((round(progress.fraction_done, 6), progress.summary(), progress.best_so_far()))
    assert seen[1] == (0.0, "0 of 3 done", "")
    assert seen[6] == (0.5, "1 of 3 done, 1 not finished, 12 s left", "")
    assert seen[7] == (
        0.5,
        "2 of 3 done, 1 not finished, 24 s left",
        "best so far: validation 0.2000, learning_rate=1e-07",
    )
    assert seen[-1] == (
        1.0,
        "3 of 3 done, 1 not finished",
        "best so far: validation 0.4000, learning_rate=1e-06",
    )


def test_speed_counts_the_steps_of_all_configurations(progress: Progress) -> None:
    events = list(events_of_a_sweep(group(), Clock()))
    for event in events[:5]:
        progress.update(event)
    clock_of(progress).now += 12
    assert progress.steps_per_s == 150 / 12


def test_start_names_the_configurations_and_the_expected_time(progress: Progress) -> None:
    assert progress.starting("MLflow") == ("3 configurations; loading MLflow; training takes about 9 s ...")
    unknown = Progress(None, ("learning_rate",))
    assert unknown.starting("TensorFlow") == "loading TensorFlow ..."
    unknown.update(ended(1e-6, 0.4))
    assert unknown.summary() == "1 done", "the sweeper decides how many there will be"
    unknown.update(Planned([group()]))
    unknown.update(GroupEnded(group()))
    assert unknown.remaining_s is None


def test_start_of_one_configuration_names_one() -> None:
    assert Progress(1, ()).starting("MLflow") == "1 configuration; loading MLflow ..."


def test_run_with_validation_images_is_better_than_one_without() -> None:
    progress = Progress(2, ("learning_rate",))
    metrics = {"test/accuracy": 0.9}
    progress.update(RunEnded(RunResult(run_config(learning_rate=1e-7), "FINISHED", metrics, None, NOTHING)))
    assert progress.best_so_far() == "best so far: test 0.9000, learning_rate=1e-07"
    progress.update(ended(1e-6, 0.4))
    assert progress.best_so_far() == "best so far: validation 0.4000, learning_rate=1e-06"
    progress.update(ended(1e-5, 0.3))
    assert progress.best_so_far() == "best so far: validation 0.4000, learning_rate=1e-06"


def test_group_that_ends_early_counts_as_done(progress: Progress) -> None:
    planned = group()
    progress.update(Planned([planned]))
    progress.update(SegmentDone(planned, Segment(0, 10), 3))
    progress.update(GroupEnded(planned))
    assert progress.fraction_done == 1
    assert progress.running == {}


def test_group_name_contains_the_shared_swept_fields() -> None:
    assert Progress(3, ("batch_size", "learning_rate", "seed")).group_name(group()) == "batch_size=10 seed=0"
    assert Progress(3, ("learning_rate",)).group_name(group()) == "3 configurations"


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
        "3 configurations; loading TensorFlow; training takes about 9 s ...",
        "FAILED learning_rate=1e+36: diverged at step 3: loss is nan",
        "3 of 3 done, 1 not finished; best so far: validation 0.4000, learning_rate=1e-06",
        "a note",
    ]


def test_transient_note_is_printed_without_a_terminal_if_nothing_else_was_for_long(
    progress: Progress,
) -> None:
    output = io.StringIO()
    clock = clock_of(progress)
    with PlainReporter(progress, output, clock) as screen:
        clock.now += LINE_EVERY_S - 1
        screen(Note("early", transient=True))
        clock.now += 1
        screen(Note("late", transient=True))
    assert output.getvalue() == "late\n"


def test_output_without_a_terminal_goes_to_standard_error(
    progress: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    with PlainReporter(progress) as screen:
        screen(ended(1e36, None))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "FAILED learning_rate=1e+36: diverged at step 3: loss is nan\n"


def test_quiet_reporter_prints_nothing(progress: Progress, capsys: pytest.CaptureFixture[str]) -> None:
    with QuietReporter() as screen:
        for event in events_of_a_sweep(group(), clock_of(progress)):
            screen(event)
        screen(Note("a note"))
    assert capsys.readouterr() == ("", "")


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


def console_of(output: Terminal, width: int) -> Console:
    """A terminal without colours."""
    return Console(file=output, force_terminal=True, width=width, color_system=None)


def frames_of(progress: Progress, width: int, name: str = "learning_rate") -> list[list[str]]:
    """The lines at the bottom of a terminal after each event of a sweep."""
    output = Terminal()
    frames = []
    with BarReporter(name, progress, console_of(output, width)) as screen:
        for event in events_of_a_sweep(group(), clock_of(progress)):
            screen(event)
            output.seek(0)
            output.truncate()
            screen._bars.refresh()
            frames.append(output.lines)
    return frames


def test_terminal_shows_a_bar_for_the_sweep_and_for_each_running_group(progress: Progress) -> None:
    frames = frames_of(progress, 120)
    sweep, start = frames[0]
    assert "learning_rate" in sweep
    assert start == "  3 configurations; loading TensorFlow; training takes about 9 s ..."
    sweep, lanes = frames[6]
    assert "learning_rate" in sweep
    assert sweep.endswith("1 of 3 done, 1 not finished, 12 s left")
    assert "3 configurations" in lanes
    assert lanes.endswith("step 50 of 100")
    done, left = (sum(line.count(mark) for line in frames[6]) for mark in "━─")
    assert 0.9 < done / left < 1.1
    sweep, best = frames[-1]
    assert sweep.endswith("3 of 3 done, 1 not finished")
    assert "─" not in sweep
    assert best == "  best so far: validation 0.4000, learning_rate=1e-06"


@pytest.mark.parametrize("width", [80, 60, 40])
def test_each_bar_is_one_line_however_narrow_the_terminal_is(progress: Progress, width: int) -> None:
    frames = frames_of(progress, width, name="a_sweep_with_quite_a_long_name")
    for frame in frames:
        assert [line for line in frame if cell_len(line) > width] == []
    assert [len(frame) for frame in frames] == [2, 1, 1, 1, 1, 1, 2, 3, 3, 3, 2]


@pytest.mark.parametrize("width", [80, 60])
def test_bar_has_a_least_width(progress: Progress, width: int) -> None:
    for frame in frames_of(progress, width)[1:]:
        bars = [line for line in frame if not line.startswith("  best so far")]
        assert all(line.count("━") + line.count("─") >= LEAST_BAR for line in bars)


def test_bar_in_a_terminal_of_80_columns_shows_everything(progress: Progress) -> None:
    sweep, lanes, best = frames_of(progress, 80)[7]
    assert "learning_rate" in sweep
    assert sweep.endswith("2 of 3 done, 1 not finished, 24 s left")
    assert lanes.endswith("step 50 of 100")
    assert best == "  best so far: validation 0.2000, learning_rate=1e-07"


def test_bars_have_only_characters_that_the_terminal_can_show(progress: Progress) -> None:
    output = Terminal("ascii")
    with BarReporter("a sweep", progress, console_of(output, 120)) as screen:
        for event in events_of_a_sweep(group(), clock_of(progress)):
            screen(event)
            screen._bars.refresh()
    assert output.getvalue().isascii()
    assert "=====" in output.getvalue() and "-----" in output.getvalue()


def test_transient_note_replaces_the_line_below_the_bars(progress: Progress) -> None:
    output = Terminal()
    with BarReporter("a sweep", progress, console_of(output, 80)) as screen:
        screen(Starting())
        screen(ended(1e-6, 0.4))
        screen(Note("storing the remaining results ...", transient=True))
        screen._bars.refresh()
        assert output.lines[-1] == "  storing the remaining results ..."
        screen(ended(1e-7, 0.2))
        screen._bars.refresh()
        assert output.lines[-1] == "  best so far: validation 0.4000, learning_rate=1e-06"


@pytest.mark.parametrize("width", [80, 40])
def test_notes_and_failures_are_printed_above_the_bars_and_stay(progress: Progress, width: int) -> None:
    output = Terminal()
    long = "FAILED learning_rate=1e+36: diverged at step 3: loss is nan"
    with BarReporter("a sweep", progress, console_of(output, width)) as screen:
        screen(Starting())
        screen(Note("a [bold]note[/bold]"))
        screen(ended(1e36, None))
    assert "a [bold]note[/bold]" in output.lines
    assert long in output.lines, "a terminal wraps it; the text has no line break, so it can be copied"


def test_log_messages_are_printed_above_the_bars(progress: Progress) -> None:
    output = Terminal()
    with BarReporter("a sweep", progress, console_of(output, 120)) as screen:
        screen(Starting())
        handler = logging.StreamHandler()  # takes the current sys.stderr, as Hydra's configuration does
        record = logging.LogRecord("x", logging.WARNING, "", 0, "something odd", None, None)
        handler.handle(record)
    assert "something odd" in output.lines


SIX = (
    *("batch_size", "learning_rate", "max_steps"),
    *("evaluate_every_steps", "data.validation_size", "preprocessing"),
)


@pytest.mark.parametrize("fields", range(1, 7))
def test_plain_line_is_short_however_many_fields_vary(fields: int) -> None:
    output, clock = io.StringIO(), Clock()
    counts = Progress(1000, SIX[:fields], 9.2, clock)
    with PlainReporter(counts, output, clock) as screen:
        screen(Planned([group()]))
        screen(ended(1.234567e-7, 0.4))
        screen(ended(1e-6, None))
        clock.now += LINE_EVERY_S
        screen(SegmentDone(group(), Segment(0, 10), 3))
    _, *lines = output.getvalue().splitlines()  # the first is a failure
    assert [line for line in lines if len(line) > 100] == []
    assert len(lines) == (1 if fields < 4 else 2)
    before, found = lines[-1].split("validation 0.4000, ")
    config = computed_values(run_config(learning_rate=1.234567e-7))
    values = " ".join(str(config[name]) for name in SIX[:fields])
    named = " ".join(f"{name}={config[name]}" for name in SIX[:fields])
    assert found == (named if len(f"{before}validation 0.4000, {named}") <= 100 else values)


@pytest.mark.parametrize("width", [100, 80, 79, 60, 46])
def test_values_of_the_best_run_stand_alone_where_their_names_do_not_fit(width: int) -> None:
    counts = Progress(3, SIX[:3], 9.2, Clock())
    best = frames_of(counts, width)[-1][-1]
    assert cell_len(best) <= width
    assert "…" not in best
    named = width >= len("  best so far: validation 0.4000, batch_size=10 learning_rate=1e-06 max_steps=10")
    assert best.endswith(", batch_size=10 learning_rate=1e-06 max_steps=10" if named else ", 10 1e-06 10")


def test_configuration_is_left_out_where_not_even_its_values_fit(progress: Progress) -> None:
    progress.update(ended(1e-6, 0.4))
    assert progress.best_so_far(30) == "best so far: validation 0.4000"


COLOURS = re.compile(r"\x1b\[([0-9;]+)m")


def colour_codes(text: str) -> set[str]:
    """The codes of styles in a text: 1 bold, 2 dim, 0 none; all others are colours."""
    return {code for found in COLOURS.findall(text) for code in found.split(";")}


def test_bars_have_no_colour_and_are_heavier_where_work_is_done(progress: Progress) -> None:
    output = Terminal()
    console = Console(file=output, force_terminal=True, width=120, color_system="truecolor")
    with BarReporter("a sweep", progress, console) as screen:
        for event in events_of_a_sweep(group(), clock_of(progress)):
            screen(event)
            screen._bars.refresh()
    text = output.getvalue()
    assert colour_codes(text) <= {"0", "1", "2"}
    assert re.search(r"\x1b\[1m━+\x1b\[0m\x1b\[2m─+", text), "bold, then dim"
    assert not re.search(r"\x1b\[2m━|\x1b\[1m─", text)


def test_bar_of_an_action_on_a_store_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Terminal()
    monkeypatch.setattr("sys.stderr", output)
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    with progress_bar("Exporting", 2000) as advance:
        advance(1000)
    text = output.getvalue()
    assert "1,000/2,000" in text and "━" in text and "─" in text
    assert colour_codes(text) <= {"0", "1", "2"}


def test_time_left_counts_what_another_sweeper_has_not_chosen_yet() -> None:
    clock = Clock()
    progress = Progress(12, ("learning_rate",), None, clock, is_chosen=True)
    assert progress.starting("MLflow") == "at most 12 configurations; loading MLflow ..."
    for event in events_of_a_sweep(group(), clock):
        progress.update(event)
    assert progress.fraction_done == pytest.approx(3 / 12), "three of twelve have ended"
    assert progress.remaining_s == pytest.approx(progress.elapsed_s * 3)
    assert progress.summary().startswith("3 of 12 done")


def test_nobody_knows_how_long_a_sweeper_takes_that_does_not_say_how_many() -> None:
    clock = Clock()
    progress = Progress(None, ("learning_rate",), None, clock, is_chosen=True)
    for event in events_of_a_sweep(group(), clock):
        progress.update(event)
    assert progress.remaining_s is None
    assert progress.summary().startswith("3 done")
