"""Tables in terminals of any width."""

import io
from typing import Literal

import pytest
from rich.console import Console

from swath.analysis import SHORT_ID, values_alone
from swath.cli.tables import Column, TableData, print_table, table_text

RUN_ID = "0123456789abcdef0123456789abcdef"
WIDE = TableData(
    [
        *("rank", "", "batch_size", "learning_rate", "validation/accuracy"),
        Column("95% interval", optional=2),
        Column("time (s)", optional=1),
        Column("run", justify="left", is_id=True),
    ],
    [["1", "=", "100", "1e-06", "0.4088", "0.395-0.422", "0.32", RUN_ID]],
)


def lines(found: TableData, width: int) -> list[str]:
    return [line.rstrip() for line in table_text(found, width).splitlines()]


def test_wide_terminal_shows_the_complete_table() -> None:
    *_, row = lines(WIDE, 200)
    assert row.split() == ["1", "=", "100", "1e-06", "0.4088", "0.395-0.422", "0.32", RUN_ID]


@pytest.mark.parametrize("width", range(20, 141))
def test_numbers_are_never_truncated(width: int) -> None:
    *_, row = lines(WIDE, width)
    words = row.split()
    assert words[:5] == ["1", "=", "100", "1e-06", "0.4088"]
    assert set(words[5:-1]) <= {"0.395-0.422", "0.32"}
    assert words[-1] in (RUN_ID, RUN_ID[:SHORT_ID])
    assert "…" not in row


def test_optional_columns_are_omitted_one_after_the_other() -> None:
    heads = [" ".join(lines(WIDE, width)[:-1]) for width in (80, 62, 56, 47)]
    assert ["(s)" in head for head in heads] == [True, True, False, False]
    assert ["interval" in head for head in heads] == [True, True, True, False]
    assert all("accuracy" in head for head in heads)


def test_cells_are_shortened_before_a_column_is_omitted() -> None:
    columns = ["sweep", Column("owner", optional=2), Column("best", optional=1, shorter=values_alone)]
    found = TableData(columns, [["grid", "ada", "batch_size=200 learning_rate=1e-06"]])
    whole, short, none = ["batch_size=200", "learning_rate=1e-06"], ["200", "1e-06"], []
    shown = [lines(found, width)[-1].split() for width in range(14, 70)]
    assert all(row[:2] == ["grid", "ada"] for row in shown)
    kinds = [(none, short, whole).index(row[2:]) for row in shown]
    assert kinds == sorted(kinds) and set(kinds) == {0, 1, 2}


@pytest.mark.parametrize("width", [40, 60, 200])
@pytest.mark.parametrize("justify", ["left", "right"])
def test_no_line_in_a_pipe_ends_with_blanks(width: int, justify: Literal["left", "right"]) -> None:
    found = TableData(["a", Column("run", justify=justify, is_id=True)], [["1", RUN_ID], ["2", ""]])
    text = table_text(found, width)
    assert [line for line in text.split("\n") if line != line.rstrip()] == []
    assert text.endswith("\n") and len(text.splitlines()) == 3


def test_cells_are_printed_without_markup_and_control_characters() -> None:
    found = TableData(["sweep", "a"], [["quick[test] [/x]", "1\n\x1b[31m2"]])
    assert lines(found, 80)[1] == "quick[test] [/x]  1 [31m2"


def test_headings_are_printed_without_markup() -> None:
    assert lines(TableData(["[bold]x", "a:smile:b"], [["1", "2"]]), 80)[0] == "[bold]x  a:smile:b"


def test_bold_rows_are_highlighted() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system="standard")
    print_table(console, TableData(["a"], [["1"], ["2"]], bold=[1]))
    _, first, second = screen.getvalue().splitlines()
    assert "\x1b[1m" not in first
    assert "\x1b[1m" in second


def test_table_wider_than_the_terminal_is_complete() -> None:
    found = TableData(["a"], [["x" * 100]])
    assert "x" * 100 in table_text(found, 30)


def test_optional_columns_without_content_are_dropped_except_the_kept_one() -> None:
    columns = ["a", Column("b", optional=1), Column("c", optional=2), Column("d", optional=3)]
    found = TableData(columns, [["1", "", "", "2"], ["", "", "", ""]]).without_empty(keep="c")
    assert [column.heading for column in found.layout] == ["a", "c", "d"]
    assert found.rows == [["1", "", "2"], ["", "", ""]]
