"""Rows of `swath-compare` in every format, against means computed with pandas."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.pages import Page

from swath import analysis
from swath.cli.compare_arguments import check_arguments, parser
from swath.cli.compare_rows import format_of, ranking, sorted_by, write
from swath.cli.formats import ENDINGS
from swath.errors import ConfigError, UsageError
from swath.tracking import StoredRun

METRIC = "validation/accuracy"
STORE = "sqlite:///mlflow.db"
SWEPT = ("batch_size", "learning_rate", "seed")
CAPTION = "Sweep grid 0123456789ab of 2026-01-02 03:04 by ada, in sqlite:///mlflow.db"
PEOPLE = ("table", "markdown", "latex", "html")
PROGRAMS = ("csv", "json")

GRID = [
    (batch, rate, seed, round(0.5 - 0.1 * place + 0.0123 * seed * (place + 1), 6))
    for place, (batch, rate) in enumerate([("9", "1e-06"), ("100", "1e-06"), ("9", "1e-07")])
    for seed in range(3)
]
"""Batch size, learning rate, seed and validation accuracy; the test accuracy is lower by a tenth of it."""


def run(
    number: int, batch: str, rate: str, seed: int, accuracy: float, status: str = "FINISHED"
) -> StoredRun:
    params = {"batch_size": batch, "learning_rate": rate, "seed": str(seed), "data.name": "digits"}
    metrics = {METRIC: accuracy, "test/accuracy": 0.9 * accuracy, "test/loss": 2 - accuracy}
    kept = metrics if status == "FINISHED" else {}
    tags = {"swath.kind": "run", "swath.sweep": "grid", "swath.sweep_id": "0123456789ab"}
    validated = {**params, "data.validation_size": "300"}
    return StoredRun(f"{number:032x}", "1", "a run", status, number, None, "", validated, kept, tags)


SEEDS = [run(number, *row) for number, row in enumerate(GRID)]
SINGLES = [entry for entry in SEEDS if entry.params["seed"] == "0"]
FAILED = run(99, "50", "1e-06", 0, math.nan, "FAILED")


def frame_of(runs: Sequence[StoredRun]) -> pd.DataFrame:
    """The runs as a data frame that this file makes by itself."""
    rows = [{**{name: entry.params[name] for name in SWEPT}, **entry.metrics} for entry in runs]
    return pd.DataFrame(rows).assign(run_id=[entry.run_id for entry in runs])


def means_of(runs: Sequence[StoredRun], metric: str = METRIC) -> pd.DataFrame:
    """Mean, sample standard deviation and count of a metric for each configuration, best first."""
    found = frame_of(runs).groupby(["batch_size", "learning_rate"], sort=False)
    table = found[metric].agg(["mean", "std", "count"])
    return table.loc[found[METRIC].mean().sort_values(ascending=False).index].reset_index()


def text_of(
    runs: Sequence[StoredRun],
    *arguments: str,
    capsys: pytest.CaptureFixture[str],
    unranked: Sequence[StoredRun] = (),
    metric: str = METRIC,
    store: str = "",
) -> str:
    """What a command prints for some runs."""
    args = parser().parse_args(["grid", *arguments])
    ranked, groups = analysis.rank_sweep(runs, metric, {})
    write(args, ranking(ranked, groups, unranked, SWEPT, metric, args, store), CAPTION)
    return capsys.readouterr().out


Read = Callable[..., list[dict[str, str]]]


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Read:
    """Prints rows and reads them back; the texts of each row by heading."""

    def read_rows(runs: Sequence[StoredRun], kind: str, *arguments: str, **more: Any) -> list[dict[str, str]]:
        return parsed(text_of(runs, "--format", kind, *arguments, capsys=capsys, **more), kind)

    return read_rows


def parsed(text: str, kind: str) -> list[dict[str, str]]:
    """The rows of a table in any format, with the texts of its cells by heading."""
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    if kind == "json":
        return [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in json.loads(text, parse_constant=pytest.fail)
        ]
    if kind == "html":
        (table,) = Page(text).tables
        return [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    if kind == "markdown":
        caption, empty, *lines = text.splitlines()
        assert (caption, empty) == (CAPTION, "")
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
    if kind == "latex":
        body = [line.removesuffix(r"\\") for line in text.splitlines() if line.endswith(r"\\")]
        for before, after in ((r"\bfseries", ""), (r"\_", "_"), (r"\%", "%"), (r"$\pm$", "±")):
            body = [line.replace(before, after) for line in body]
        body = [re.sub(r"\$10\^\{(-?\d+)\}\$", lambda power: f"1e{int(power[1]):03d}", line) for line in body]
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", line)] for line in body]
        return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    heading, *lines = text.splitlines()
    names = re.split(r"\s{2,}", heading.strip())
    return [dict(zip(names, re.split(r"\s{2,}", line.strip()), strict=False)) for line in lines]


@pytest.mark.parametrize("kind", PEOPLE)
def test_several_seeds_are_one_row_with_mean_and_standard_deviation_for_people(read: Read, kind: str) -> None:
    expected = means_of(SEEDS)
    tests = means_of(SEEDS, "test/accuracy")
    for per in ((), ("--per", "configuration")):
        rows = read(
            SEEDS, kind, *per, "--columns", f"rank,batch_size,learning_rate,seeds,{METRIC},test/accuracy"
        )
        assert [row["rank"] for row in rows] == ["1", "2", "3"]
        assert [row["batch_size"] for row in rows] == expected["batch_size"].tolist()
        assert [row["learning_rate"] for row in rows] == expected["learning_rate"].tolist()
        assert [row["seeds"] for row in rows] == ["3", "3", "3"]
        for name, values in ((METRIC, expected), ("test/accuracy", tests)):
            cells = [f"{mean:.4f} ± {sd:.4f}" for mean, sd in zip(values["mean"], values["std"], strict=True)]
            assert [row[name] for row in rows] == cells


@pytest.mark.parametrize("kind", PROGRAMS)
def test_configurations_have_unrounded_means_for_programs(read: Read, kind: str) -> None:
    rows = read(SEEDS, kind, "--per", "configuration")
    assert list(rows[0]) == [
        *("rank", "sweep", "sweep_id", "owner", "started"),
        *("batch_size", "learning_rate", "n", METRIC, f"{METRIC} sd"),
        *("test/accuracy", "test/accuracy sd", "p_vs_best", "tied_with_best", "best_run_id"),
    ]
    for name in (METRIC, "test/accuracy"):
        expected = means_of(SEEDS, name)
        assert [int(row["n"]) for row in rows] == expected["count"].tolist()
        assert [float(row[name]) for row in rows] == pytest.approx(expected["mean"].tolist(), rel=1e-12)
        assert [float(row[f"{name} sd"]) for row in rows] == pytest.approx(expected["std"].tolist(), rel=1e-9)
    frame = frame_of(SEEDS)
    for row in rows:
        own = frame[
            (frame["batch_size"] == row["batch_size"])
            & (frame["learning_rate"].astype(float) == float(row["learning_rate"]))
        ]
        assert row["best_run_id"] == own.loc[own[METRIC].idxmax(), "run_id"]


@pytest.mark.parametrize("kind", PROGRAMS)
def test_programs_get_a_row_for_each_run_unless_told_otherwise(read: Read, kind: str) -> None:
    rows = read(SEEDS, kind, unranked=[FAILED])
    assert rows == read(SEEDS, kind, "--per", "run", unranked=[FAILED])
    assert len(rows) == len(SEEDS) + 1
    stored = {entry.run_id: entry for entry in SEEDS}
    for row in rows[:-1]:
        own = stored[row["run_id"]]
        assert {name: float(row[name]) for name in own.metrics} == own.metrics, "not rounded"
    assert (rows[-1]["status"], rows[-1]["rank"]) == ("FAILED", "")
    means = means_of(SEEDS)
    firsts = [row for row in rows if row["configuration_rank"] == "1"]
    assert [float(row["mean"]) for row in firsts] == pytest.approx([means["mean"][0]] * 3)
    assert [float(row["sd"]) for row in firsts] == pytest.approx([means["std"][0]] * 3)
    assert [row["seeds"] for row in firsts] == ["3"] * 3


@pytest.mark.parametrize("kind", PEOPLE)
def test_people_may_ask_for_a_row_for_each_run(read: Read, kind: str) -> None:
    rows = read(SEEDS, kind, "--per", "run", "--columns", f"rank,seed,{METRIC},run")
    assert len(rows) == len(SEEDS)
    stored = {entry.run_id: entry for entry in SEEDS}
    for row in rows:
        own = stored[row["run"]]
        assert row["seed"] == own.params["seed"]
        assert row[METRIC] == f"{own.metrics[METRIC]:.4f}"


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
def test_without_repetitions_a_configuration_is_a_run(read: Read, kind: str) -> None:
    name = "n" if kind in PROGRAMS else "seeds"
    rows = read(SINGLES, kind, "--per", "configuration", "--columns", f"rank,batch_size,{name},{METRIC}")
    best_first = sorted(SINGLES, key=lambda entry: -entry.metrics[METRIC])
    assert [(row["rank"], row["batch_size"], row[name]) for row in rows] == [
        (str(place), entry.params["batch_size"], "1") for place, entry in enumerate(best_first, start=1)
    ]
    values = [entry.metrics[METRIC] for entry in best_first]
    if kind in PROGRAMS:
        assert [float(row[METRIC]) for row in rows] == values
    else:
        assert [row[METRIC] for row in rows] == [f"{value:.4f}" for value in values], "no deviation"


@pytest.mark.parametrize("kind", PROGRAMS)
def test_single_run_has_no_standard_deviation(read: Read, kind: str) -> None:
    rows = read(SINGLES, kind, "--per", "configuration")
    assert {row[f"{METRIC} sd"] for row in rows} == {""}


@pytest.mark.parametrize("kind", PEOPLE)
def test_without_repetitions_people_get_a_row_for_each_run(read: Read, kind: str) -> None:
    rows = read(SINGLES, kind, "--columns", "rank,run")
    best_first = sorted(SINGLES, key=lambda entry: -entry.metrics[METRIC])
    assert [row["run"] for row in rows] == [entry.run_id for entry in best_first]


def test_configurations_with_fewer_seeds_say_so(read: Read) -> None:
    fewer = SEEDS[:-1]
    assert [row["seeds"] for row in read(fewer, "markdown")] == ["3", "3", "2 of 3"]
    rows = read(fewer, "csv", "--per", "configuration")
    assert [row["n"] for row in rows] == ["3", "3", "2"]
    expected = means_of(fewer)
    assert [float(row[f"{METRIC} sd"]) for row in rows] == pytest.approx(expected["std"].tolist())


def test_metric_that_a_seed_lacks_does_not_count(read: Read) -> None:
    runs = [*SEEDS[:-1], run(8, *GRID[-1][:3], math.nan)]
    rows = read(runs, "csv", "--per", "configuration")
    values = pd.Series([entry.metrics[METRIC] for entry in SEEDS[6:8]])
    assert rows[-1]["n"] == "2"
    assert float(rows[-1][METRIC]) == pytest.approx(values.mean())
    assert float(rows[-1][f"{METRIC} sd"]) == pytest.approx(values.std())


@pytest.mark.parametrize("digits", [0, 1, 2, 7, 12])
def test_digits_are_the_decimals_of_metrics_for_people(read: Read, digits: int) -> None:
    expected = means_of(SEEDS)
    rows = read(SEEDS, "markdown", "--digits", str(digits))
    assert [row[METRIC] for row in rows] == [
        f"{mean:.{digits}f} ± {sd:.{digits}f}"
        for mean, sd in zip(expected["mean"], expected["std"], strict=True)
    ]
    singles = read(SINGLES, "markdown", "--digits", str(digits), "--columns", f"{METRIC},test/loss")
    best_first = sorted(SINGLES, key=lambda entry: -entry.metrics[METRIC])
    assert [row["test/loss"] for row in singles] == [
        f"{entry.metrics['test/loss']:.{digits}f}" for entry in best_first
    ]


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("per", ["run", "configuration"])
def test_digits_round_the_metrics_for_programs_too(read: Read, kind: str, per: str) -> None:
    rounded, whole = (read(SEEDS, kind, "--per", per, *more) for more in (("--digits", "2"), ()))
    assert len(rounded) == len(whole) > 1
    for row, exact in zip(rounded, whole, strict=True):
        for name, text in exact.items():
            if name.startswith(("validation/", "test/")) or name in (
                "mean",
                "sd",
                "interval_low",
                "interval_high",
            ):
                assert float(row[name]) == pytest.approx(float(text), abs=0.0051)
                assert len(row[name].partition(".")[2]) <= 2
            else:
                assert row[name] == text, "not a metric"


@pytest.mark.parametrize("text", ["-1", "18", "x", "1.5", ""])
def test_digits_outside_the_precision_of_a_number_are_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as ended:
        parser().parse_args(["grid", f"--digits={text}"])
    assert "expected a number of decimals from 0 to 17" in str(ended.value)


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
def test_columns_are_those_asked_for_in_their_order(read: Read, kind: str) -> None:
    rows = read(SINGLES, kind, "--columns", "test/loss, learning_rate,rank")
    assert [list(row) for row in rows] == [["test/loss", "learning_rate", "rank"]] * 3
    best_first = sorted(SINGLES, key=lambda entry: -entry.metrics[METRIC])
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert [float(row["test/loss"]) for row in rows] == pytest.approx(
        [entry.metrics["test/loss"] for entry in best_first], abs=0 if kind in PROGRAMS else 5e-5
    )


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
@pytest.mark.parametrize("option", ["--columns", "--sort"])
def test_unknown_column_is_refused_with_the_nearest(read: Read, kind: str, option: str) -> None:
    name = "learning_rat"
    typed = f"rank,{name}" if option == "--columns" else name
    with pytest.raises(UsageError) as found:
        read(SINGLES, kind, option, typed)
    assert str(found.value) == f"{option} {name}: no such column; did you mean learning_rate?"
    assert found.value.exit_status == 2
    with pytest.raises(UsageError, match=r"--columns zzz: no such column; expected one of rank, .*\.\.\.$"):
        read(SINGLES, kind, "--columns", "zzz")


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("name", ["seeds", "p", "95% interval"])
def test_column_that_only_tables_have_is_refused_for_programs(read: Read, kind: str, name: str) -> None:
    per = ("--per", "run" if name == "95% interval" else "configuration")
    with pytest.raises(UsageError, match=f"--columns {name}: no such column"):
        read(SEEDS, kind, *per, "--columns", f"rank,{name}")


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
@pytest.mark.parametrize("option", ["--columns", "--sort"])
@pytest.mark.parametrize("typed", ["zzz", "x" * 50, "lr"])
def test_line_about_an_unknown_column_is_short(read: Read, kind: str, option: str, typed: str) -> None:
    with pytest.raises(UsageError) as found:
        read(SEEDS, kind, option, typed)
    assert len(f"swath-compare: {found.value}") <= 100
    assert ("did you mean learning_rate?" in str(found.value)) == (typed == "lr")


@pytest.mark.parametrize("kind", PEOPLE)
def test_configurations_have_mean_and_deviation_of_any_metric(read: Read, kind: str) -> None:
    expected = means_of(SEEDS, "test/loss")
    rows = read(SEEDS, kind, "--columns", "learning_rate,test/loss")
    assert [list(row) for row in rows] == [["learning_rate", "test/loss"]] * 3
    cells = [f"{mean:.4f} ± {sd:.4f}" for mean, sd in zip(expected["mean"], expected["std"], strict=True)]
    assert [row["test/loss"] for row in rows] == cells
    assert "test/loss" not in read(SEEDS, kind)[0]


@pytest.mark.parametrize("kind", PROGRAMS)
def test_configurations_have_any_metric_for_programs(read: Read, kind: str) -> None:
    expected = means_of(SEEDS, "test/loss")
    for names in ("test/loss,test/loss sd", "test/loss sd,test/loss"):
        rows = read(SEEDS, kind, "--per", "configuration", "--columns", names)
        assert [float(row["test/loss"]) for row in rows] == pytest.approx(expected["mean"].tolist())
        assert [float(row["test/loss sd"]) for row in rows] == pytest.approx(expected["std"].tolist())


@pytest.mark.parametrize(("sort", "reverse"), [("test/loss", False), ("-test/loss", True)])
def test_configurations_are_sorted_by_any_metric(read: Read, sort: str, reverse: bool) -> None:
    rows = read(SEEDS, "markdown", f"--sort={sort}", "--columns", "test/loss")
    values = [float(row["test/loss"].split()[0]) for row in rows]
    assert values == sorted(values, reverse=reverse)


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
@pytest.mark.parametrize("name", ["seed", "run_id", "status", "data.name"])
@pytest.mark.parametrize("option", ["--columns", "--sort"])
def test_column_of_runs_only_hints_to_a_row_for_each_run(
    read: Read, kind: str, name: str, option: str
) -> None:
    with pytest.raises(UsageError) as found:
        read(SEEDS, kind, "--per", "configuration", option, name)
    assert str(found.value) == f"{option} {name}: a row is a configuration; for a row for each run: --per run"
    assert read(SEEDS, kind, "--per", "run", option, name)


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("per", ["run", "configuration"])
def test_rows_for_programs_say_where_they_are_from(read: Read, kind: str, per: str) -> None:
    tagged = [replace(entry, tags={**entry.tags, "mlflow.user": "ada"}) for entry in SEEDS]
    for row in read(tagged, kind, "--per", per, store=STORE):
        assert (row["sweep"], row["sweep_id"], row["owner"]) == ("grid", "0123456789ab", "ada")
        assert row["store"] == STORE
        assert row["started"].startswith("1970-01-01")


def test_configuration_of_several_sweeps_names_all_of_them() -> None:
    others = [replace(entry, run_id=f"{entry.run_id[:-1]}f", tags={"swath.sweep_id": "b"}) for entry in SEEDS]
    runs = [*SEEDS[:1], *others[1:3]]
    frame = analysis.configuration_frame(analysis.rank_sweep(runs, METRIC, {})[1], SWEPT, METRIC)
    assert frame["sweep_id"].tolist() == ["0123456789ab b"]
    assert frame["owner"].isna().all()


@pytest.mark.parametrize("accuracy", [0.97, 0.1, 1 / 3, 0.9266666666666666])
def test_equal_seeds_have_exactly_their_value_and_no_deviation(read: Read, accuracy: float) -> None:
    runs = [run(seed, "9", "1e-06", seed, accuracy) for seed in range(3)]
    (row,) = read(runs, "csv", "--per", "configuration")
    for name, value in ((METRIC, accuracy), ("test/accuracy", 0.9 * accuracy)):
        assert (float(row[name]), float(row[f"{name} sd"])) == (value, 0)
    assert (row[f"{METRIC} sd"], row["test/accuracy sd"]) == ("0.0", "0.0")


def test_no_column_is_refused(read: Read) -> None:
    with pytest.raises(ConfigError) as ended:
        read(SINGLES, "csv", "--columns", ",")
    assert "expected names, separated by commas" in str(ended.value)


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
@pytest.mark.parametrize(
    ("sort", "column", "descending"),
    [
        ("test/accuracy", "test/accuracy", True),
        ("-test/accuracy", "test/accuracy", False),
        ("test/loss", "test/loss", False),
        ("-test/loss", "test/loss", True),
        ("learning_rate", "learning_rate", False),
        ("-batch_size", "batch_size", True),
    ],
)
def test_sorting_by_a_metric_gives_the_best_first(
    read: Read, kind: str, sort: str, column: str, descending: bool
) -> None:
    rows = read(SINGLES, kind, f"--sort={sort}", "--columns", f"rank,{column}")
    values = [float(row[column]) for row in rows]
    assert len(set(values)) > 1
    assert values == sorted(values, reverse=descending)


@pytest.mark.parametrize(("sort", "descending"), [("test/accuracy", True), ("-test/accuracy", False)])
def test_configurations_are_sorted_by_their_means(read: Read, sort: str, descending: bool) -> None:
    rows = read(SEEDS, "markdown", f"--sort={sort}")
    means = means_of(SEEDS, "test/accuracy").sort_values("mean", ascending=not descending)
    assert [row["test/accuracy"] for row in rows] == [
        f"{mean:.4f} ± {sd:.4f}" for mean, sd in zip(means["mean"], means["std"], strict=True)
    ]
    assert [row["rank"] for row in rows] == (["1", "2", "3"] if descending else ["3", "2", "1"])


def test_rows_without_a_value_are_last_in_either_order() -> None:
    frame = pd.DataFrame({"test/loss": [2.0, math.nan, 1.0], "batch_size": [1, 2, 3]})
    assert sorted_by(frame, "test/loss")["batch_size"].tolist() == [3, 1, 2]
    assert sorted_by(frame, "-test/loss")["batch_size"].tolist() == [1, 3, 2]
    assert sorted_by(frame, None) is frame


def test_best_row_stays_bold_wherever_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of(SINGLES, "--format", "latex", "--sort=-test/accuracy", capsys=capsys)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
    assert [r"\bfseries" in line for line in lines] == [False, False, True]


def test_rows_of_latex_may_leave_out_the_best(read: Read) -> None:
    rows = read(SINGLES, "latex", "--sort=-test/accuracy", "--limit", "1")
    assert [row["rank"] for row in rows] == ["3"]


@pytest.mark.parametrize("kind", (*PEOPLE, *PROGRAMS))
def test_limit_is_the_number_of_rows(read: Read, kind: str) -> None:
    columns = ("--columns", f"rank,{METRIC}")
    assert read(SINGLES, kind, "--limit", "2", *columns) == read(SINGLES, kind, *columns)[:2]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--sort", "batch_size"),
    ],
    ids=["by rank", "sorted"],
)
def test_columns_of_a_row_belong_to_one_run(read: Read, arguments: tuple[str, ...]) -> None:
    columns = ("--columns", "rank,batch_size,status,test/loss,run")
    rows = read(SINGLES, "markdown", *arguments, *columns, unranked=[FAILED])
    assert len(rows) == len(SINGLES)
    stored = {entry.run_id: entry for entry in SINGLES}
    for row in rows:
        own = stored[row["run"]]
        assert (row["batch_size"], row["status"]) == (own.params["batch_size"], "FINISHED")
        assert row["test/loss"] == f"{own.metrics['test/loss']:.4f}"


@pytest.mark.parametrize(("ending", "kind"), ENDINGS.items())
def test_format_of_a_file_follows_from_its_ending(tmp_path: Path, ending: str, kind: str) -> None:
    path = tmp_path / f"Rows{ending.upper()}"
    args = parser().parse_args(["grid", "--output", str(path)])
    check_arguments(args)
    assert format_of(args) == kind
    ranked, groups = analysis.rank_sweep(SEEDS, METRIC, {})
    write(args, ranking(ranked, groups, (), SWEPT, METRIC, args), CAPTION)
    assert len(parsed(path.read_text(encoding="utf-8"), kind)) == (9 if kind in PROGRAMS else 3)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["rows", "rows.xlsx", "rows.csv.gz", ".csv"])
def test_file_with_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    args = parser().parse_args(["grid", "--output", str(tmp_path / name)])
    with pytest.raises(ConfigError) as found:
        check_arguments(args)
    assert str(found.value) == (
        f"--output {tmp_path / name}: expected a name that ends with one of "
        ".csv, .json, .md, .tex, .html, .txt, or --format"
    )
    assert list(tmp_path.iterdir()) == []


def test_format_decides_whatever_the_ending_is(tmp_path: Path) -> None:
    args = parser().parse_args(["grid", "--output", str(tmp_path / "rows"), "--format", "latex"])
    check_arguments(args)
    assert format_of(args) == "latex"


@pytest.mark.parametrize("kind", ["markdown", "latex", "html"])
def test_caption_of_a_table_names_the_sweep(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of(SEEDS, "--format", kind, capsys=capsys)
    shown = {
        "markdown": CAPTION,
        "latex": rf"\caption{{{CAPTION}}}",
        "html": f"<caption>{CAPTION}</caption>",
    }
    assert shown[kind] in text


def test_rows_without_a_terminal_are_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert text_of(SEEDS, capsys=capsys) == text_of(SEEDS, "--format", "csv", capsys=capsys)
