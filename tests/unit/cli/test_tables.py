"""Tables in terminals of any width."""

import io
import math

import pytest
from rich.console import Console

from swath.analysis import RankingRow
from swath.cli.tables import SHORT_ID, Column, TableData, print_table, ranking_table, table_text

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


def test_wrapped_column_continues_on_the_next_line_between_words() -> None:
    found = TableData(
        ["sweep", Column("best", wrap=True)], [["grid", "batch_size=200 learning_rate=1e-06 max_steps=1500"]]
    )
    for width in range(28, 60):
        words = [word for line in lines(found, width)[1:] for word in line.split()]
        assert words == ["grid", "batch_size=200", "learning_rate=1e-06", "max_steps=1500"]


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


def test_ranking_shows_metrics_with_four_decimals_and_highlights_the_best() -> None:
    rows = [
        RankingRow(2, "b", "FINISHED", {"rate": "1e-06"}, {"m": 0.25, "runtime/train_s": 1.5}),
        RankingRow(1, "a", "FINISHED", {"rate": "1e-05"}, {"m": math.nan}),
        RankingRow(None, "", "FAILED", {}, {}),
    ]
    columns = ["rank", "rate", "m", "seconds", "run_id", "status"]
    found = ranking_table(rows, [Column(name) for name in columns])
    assert found.rows == [
        ["2", "1e-06", "0.2500", "1.50", "b", "FINISHED"],
        ["1", "1e-05", "", "0.00", "a", "FINISHED"],
        ["", "", "", "0.00", "", "FAILED"],
    ]
    assert found.bold == [1]
