"""Data on standard output, words on standard error; nothing but text in a file or a pipe."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from support.terminal import Terminal

from swath.cli.output import (
    NO_TERMINAL_WIDTH,
    TERMINAL_ROWS,
    Output,
    console_of,
    is_animated,
    one_line,
    print_note,
)
from swath.cli.tables import TableData

TABLE = TableData(["rank", "run"], [["1", "0123"], ["2", "4567"]], bold=[0])
WORDS = "Some words that are long enough for two lines in a terminal that has only forty columns."


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[Terminal, Terminal]:
    """Make a terminal of 40 columns both standard streams. Not a fixture: pytest would replace them again."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    streams = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", streams[0])
    monkeypatch.setattr("sys.stderr", streams[1])
    return streams


def test_data_goes_to_standard_output_and_words_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.table(TABLE)
    output.show("Run 0123")
    output.say("Ranked by test/accuracy.")
    captured = capsys.readouterr()
    assert [line.split() for line in captured.out.splitlines()] == [
        ["rank", "run"],
        ["1", "0123"],
        ["2", "4567"],
        ["Run", "0123"],
    ]
    assert captured.err == "Ranked by test/accuracy.\n"


def test_quiet_output_has_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.table(TABLE)
    output.show("Run 0123")
    output.say("Ranked by test/accuracy.")
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4
    assert captured.err == ""


def test_output_beside_json_has_no_other_data(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.table(TABLE)
    output.show("Run 0123")
    output.say("Ranked by test/accuracy.")
    assert capsys.readouterr() == ("", "Ranked by test/accuracy.\n")


def test_only_a_terminal_limits_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    use_terminal(monkeypatch)
    assert Output().rows == TERMINAL_ROWS
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert Output().rows is None


@pytest.mark.parametrize("text", ["a\nb", "a\r\n\tb", "a\x1bb", "a\x7f\x9bb", "a\u2028b"])
def test_line_breaks_and_control_characters_are_replaced(text: str) -> None:
    assert one_line(text) == "a b"


def test_shown_and_said_text_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output().show("a\x1b[31m\nb")
    Output().say("c\n\x07d")
    assert capsys.readouterr() == ("a [31m b\n", "c d\n")


def test_words_are_wrapped_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _, errors = use_terminal(monkeypatch)
    print_note(WORDS)
    lines = errors.lines
    assert len(lines) == 3
    assert max(map(len, lines)) <= 40
    assert " ".join(lines) == WORDS


def test_words_are_one_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_note(WORDS * 9)
    assert capsys.readouterr().err == f"{WORDS * 9}\n"


def test_address_is_not_broken_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _, errors = use_terminal(monkeypatch)
    address = "http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=0123456789ab&compare-runs"
    print_note(f"See it: mlflow ui, then {address}")
    assert errors.getvalue() == f"See it: mlflow ui, then {address}\n"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"FORCE_COLOR": "1"},
        {"TTY_COMPATIBLE": "1"},
        {"CLICOLOR_FORCE": "1"},
        {"COLUMNS": "60"},
        {"FORCE_COLOR": "1", "COLUMNS": "60", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    ],
)
def test_table_in_a_file_has_no_escape_characters(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], tmp_path: Path
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "out").open("w+") as file:
        monkeypatch.setattr("sys.stdout", file)
        Output().table(TABLE)
        file.seek(0)
        text = file.read()
    assert "\x1b" not in text
    assert [line.split() for line in text.splitlines()] == [["rank", "run"], ["1", "0123"], ["2", "4567"]]


def test_width_of_a_file_is_large_unless_the_user_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console_of(io.StringIO()).width == NO_TERMINAL_WIDTH
    monkeypatch.setenv("COLUMNS", "60")
    assert console_of(io.StringIO()).width == 60


def test_table_in_a_terminal_highlights_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, _ = use_terminal(monkeypatch)
    Output().table(TABLE)
    _, best, other = screen.getvalue().splitlines()
    assert "\x1b[1m" in best
    assert "\x1b" not in other


@pytest.mark.parametrize(
    ("stream", "term", "animated"),
    [(Terminal, "xterm", True), (Terminal, "dumb", False), (io.StringIO, "xterm", False)],
)
def test_only_a_terminal_that_can_move_its_cursor_has_animations(
    monkeypatch: pytest.MonkeyPatch, stream: Callable[[], io.StringIO], term: str, animated: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert is_animated(stream()) == animated


def test_words_reach_a_closed_terminal_s_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "err").open("w", buffering=8192) as file:
        monkeypatch.setattr("sys.stderr", file)
        print_note("at once")
        assert (tmp_path / "err").read_text() == "at once\n"
