"""Tables as Markdown, LaTeX and HTML, and files that are written as a whole."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.pages import Page

from swath.cli.formats import as_html, as_latex, as_markdown, write_whole
from swath.cli.tables import Column, TableData
from swath.errors import SwathError

CAPTION = "Sweep a_b 0123 of 2026-01-02, 50% & <more> #1"
TABLE = TableData(
    [Column("rank"), Column("", "tie"), Column("batch_size"), Column("p"), Column("run", justify="left")],
    [
        ["1", "", "100", "", "0.5 ± 0.1"],
        ["2", "=", "5_0 % & #", "<0.001", "<script>a</script>\n|"],
    ],
    bold=[0],
)


def latex_lines(found: TableData, caption: str = CAPTION) -> list[str]:
    return as_latex(found, caption).splitlines()


def test_latex_table_has_the_rules_of_booktabs_and_names_the_package() -> None:
    lines = latex_lines(TABLE)
    assert lines[0] == r"% \usepackage{booktabs}"
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"\begin{tabular}{rrrrl}" in lines
    assert lines.index(r"\begin{table}") < lines.index(r"\begin{tabular}{rrrrl}")
    assert lines[-1] == r"\end{table}"


def test_special_characters_of_latex_are_escaped() -> None:
    text = as_latex(TABLE, CAPTION)
    assert r"\caption{Sweep a\_b 0123 of 2026-01-02, 50\% \& $<$more$>$ \#1}" in text
    assert r"rank &  & batch\_size & p & run \\" in text
    assert r"2 & = & 5\_0 \% \& \# & $<$0.001 & " in text
    assert r"0.5 $\pm$ 0.1" in text
    body = text.split("\n", 1)[1]
    assert "%" not in body.replace(r"\%", ""), "the rest of a line would be a comment"
    assert "±" not in text and body.count("&") - body.count(r"\&") == 4 * 3


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1e-05", "$10^{-5}$"),
        ("5e-06", r"$5 \times 10^{-6}$"),
        ("1.5e+20", r"$1.5 \times 10^{20}$"),
        ("-1e-07", r"$-1 \times 10^{-7}$"),
        ("0.005", "0.005"),
        ("1e-05 x", "1e-05 x"),
        ("abce-05", "abce-05"),
    ],
)
def test_latex_has_powers_of_ten(text: str, written: str) -> None:
    assert f"{written} &" in as_latex(TableData(("a", "b"), [[text, "c"]]), "")


def test_caption_has_no_command_of_latex() -> None:
    (line,) = [line for line in latex_lines(TABLE, r"in C:\input{x}") if line.startswith(r"\caption")]
    assert line == r"\caption{in C:\textbackslash{}input\{x\}}"


IN_LATEX = {
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "\\": r"\textbackslash{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "±": r"$\pm$",
    "--": "-{}-",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "^^M": r"\textasciicircum{}\textasciicircum{}M",
    "<->": "$<$-$>$",
    "~ ~": r"\textasciitilde{} \textasciitilde{}",
}
"""Texts that LaTeX, in its usual font encoding, takes for commands or for other characters."""


@pytest.mark.parametrize("text", IN_LATEX)
def test_every_special_character_is_escaped_in_captions_headings_and_cells(text: str) -> None:
    found = TableData([f"h{text}h", "b"], [[f"a{text}b", "1"], ["2", f"c{text}d"]], bold=[0])
    written = as_latex(found, f"x{text}y")
    assert rf"\caption{{x{IN_LATEX[text]}y}}" in written
    assert f"h{IN_LATEX[text]}h &" in written
    assert rf"\bfseries a{IN_LATEX[text]}b &" in written
    assert f"& c{IN_LATEX[text]}d " in written


def test_best_row_is_bold_in_latex() -> None:
    best, other = (line for line in latex_lines(TABLE) if "0.5 $" in line or "0.001" in line)
    assert all(cell.strip().startswith(r"\bfseries") for cell in best.removesuffix(r"\\").split(" & "))
    assert r"\bfseries" not in other


def test_table_without_rows_is_still_a_latex_table() -> None:
    lines = latex_lines(TableData(["a_b"], []))
    assert lines[lines.index(r"\midrule") + 1] == r"\bottomrule"


def test_latex_table_may_leave_out_the_best_row() -> None:
    assert r"\bfseries" not in as_latex(TableData(["a"], [["1"]], bold=[3]), "")


LATEX = next(filter(None, map(shutil.which, ("pdflatex", "lualatex", "xelatex", "tectonic"))), None)


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
def test_latex_compiles(tmp_path: Path) -> None:
    document = rf"""\documentclass{{article}}
\usepackage{{booktabs}}
\begin{{document}}
{as_latex(TABLE, CAPTION)}
\end{{document}}
"""
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    assert LATEX is not None
    options = [] if LATEX.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [LATEX, *options, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_html_table_has_a_caption_and_escaped_cells() -> None:
    text = as_html(TABLE, CAPTION)
    (table,) = Page(text).tables
    assert table.caption == CAPTION
    assert table.headings == ["rank", "", "batch_size", "p", "run"]
    assert table.rows == [
        ["1", "", "100", "", "0.5 ± 0.1"],
        ["2", "=", "5_0 % & #", "<0.001", "<script>a</script> |"],
    ]
    assert "<script>" not in text


def test_html_table_is_complete_however_long_it_is() -> None:
    rows = [[str(place), "x" * 200] for place in range(300)]
    (table,) = Page(as_html(TableData(["a", "b"], rows), "c")).tables
    assert table.rows == rows


def test_equal_headings_are_kept() -> None:
    found = TableData(["a", "a"], [["1", "2"]])
    (table,) = Page(as_html(found, "")).tables
    assert (table.headings, table.rows) == (["a", "a"], [["1", "2"]])
    assert "a & a " in as_latex(found, "")
    assert "1 & 2 " in as_latex(found, "")


def test_markdown_table_is_below_a_line_with_its_caption() -> None:
    assert as_markdown(TABLE, CAPTION).splitlines() == [
        CAPTION,
        "",
        "| rank |  | batch_size | p | run |",
        "|---|---:|---:|---:|---:|",
        "| 1 |  | 100 |  | 0.5 ± 0.1 |",
        r"| 2 | = | 5_0 % & # | <0.001 | <script>a</script> \| |",
    ]


def test_file_is_written_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    (tmp_path / "link.csv").symlink_to(target)
    write_whole(tmp_path / "link.csv", "néw\n")
    assert target.read_text(encoding="utf-8") == "néw\n"
    assert (tmp_path / "link.csv").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "table.csv"]


def test_device_is_written_directly() -> None:
    write_whole(Path(os.devnull), "text")
    assert not Path(os.devnull).is_file()


def test_file_that_cannot_be_written_is_reported_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(
        SwathError, match=r"--report .*/none/x\.html cannot be written: No such file"
    ) as found:
        write_whole(tmp_path / "none" / "x.html", "text", "--report")
    assert found.value.exit_status == 1
    assert list(tmp_path.iterdir()) == []
