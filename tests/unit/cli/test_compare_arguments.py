"""Arguments of `swath-compare`: those that contradict each other, and those that need others."""

from datetime import datetime
from pathlib import Path

import pytest

from swath.cli.compare_arguments import PLOT_FORMATS, RULES, check_arguments, parser
from swath.errors import ConfigError
from swath.plotting import KINDS


def mistakes_of(*arguments: str) -> list[str]:
    """The lines that refuse some arguments; empty if they are accepted."""
    try:
        check_arguments(parser().parse_args(arguments))
    except ConfigError as error:
        assert error.exit_status == 2
        return error.mistakes
    return []


@pytest.mark.parametrize("kind", PLOT_FORMATS)
def test_file_is_refused_as_a_folder_of_plots(kind: str, tmp_path: Path) -> None:
    folder = f"{tmp_path}/x.{kind}"
    assert mistakes_of("grid", "--plots", folder) == [
        f"--plots {folder}: expected a folder; the kind of file: --plot-format"
    ]
    assert list(tmp_path.iterdir()) == []
    assert mistakes_of("grid", "--plots", f"{tmp_path}/a.b") == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--report", "r.pdf"), "--report r.pdf: expected a name that ends with .html"),
        (("--report", "r"), "--report r: expected a name that ends with .html"),
        (
            ("--format", "csv", "--output", "y.tex"),
            "--output y.tex is not the name of a file for --format csv",
        ),
        (
            ("--format", "latex", "--output", "y.CSV"),
            "--output y.CSV is not the name of a file for --format latex",
        ),
        (
            ("--plots", "p", "--dpi", "300", "--plot-format", "pdf"),
            "--dpi: only PNG files have dots; remove it, or --plot-format",
        ),
        (("--plots", "p", "--dpi", "300", "--svg"), "--dpi: only PNG files have dots; remove it, or --svg"),
    ],
)
def test_kind_of_a_file_that_contradicts_its_name_is_refused(arguments: tuple[str, ...], line: str) -> None:
    assert mistakes_of("grid", *arguments) == [line]


def test_file_of_any_other_ending_takes_every_format() -> None:
    assert mistakes_of("grid", "--format", "csv", "--output", "ranking.dat") == []
    assert mistakes_of("grid", "--format", "csv", "--output", "ranking.csv") == []
    assert mistakes_of("grid", "--report", "r.HTML") == []


def test_kinds_of_plots_are_those_that_can_be_drawn() -> None:
    assert set(PLOT_FORMATS) == set(KINDS)


@pytest.mark.parametrize(
    "option", [("--dpi", "100"), ("--size", "6x4"), ("--plot-format", "pdf"), ("--svg",)], ids=" ".join
)
def test_options_of_plots_need_plots(option: tuple[str, ...]) -> None:
    assert mistakes_of("grid", *option) == [f"{option[0]}: requires --plots DIR"]
    assert mistakes_of("grid", "--plots", "plots", *option) == []


@pytest.mark.parametrize(
    "text",
    ["6", "6x", "x4", "6x4cm", "0x4", "1x1", "1.9x4", "4x1.9", "6x101", "-6x4", "6X4", "nanxinf", "6x4x2"],
)
def test_size_that_is_not_two_numbers_of_inches_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as ended:
        parser().parse_args(["grid", "--plots", "x", f"--size={text}"])
    assert f"{text}: expected inches from 2 to 100, for example 6x4" in str(ended.value)


@pytest.mark.parametrize(
    ("text", "size"), [("6x4", (6.0, 4.0)), ("2x100", (2, 100)), ("3.25x2.5", (3.25, 2.5))]
)
def test_size_is_width_and_height(text: str, size: tuple[float, float]) -> None:
    assert parser().parse_args(["grid", "--size", text]).size == size


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x"])
def test_resolution_that_is_not_a_positive_number_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as ended:
        parser().parse_args(["grid", "--plots", "x", f"--dpi={text}"])
    assert f"{text}: expected a positive integer" in str(ended.value)


@pytest.mark.parametrize(
    "option",
    [
        *(("--report", "x.html"), ("--open",), ("--ui",), ("--plots", "x"), ("--register", "x")),
        *(("--where", "seed == 0"), ("--metric", "test/loss"), ("--export", "x"), ("--delete",)),
        ("--per", "run"),
    ],
    ids=" ".join,
)
def test_options_of_one_sweep_need_a_sweep(option: tuple[str, ...]) -> None:
    assert mistakes_of(*option) == [f"{option[0]}: requires a sweep; list sweeps with: swath-compare"]


def test_two_kinds_of_plots_are_refused() -> None:
    assert mistakes_of("grid", "--plots", "x", "--svg", "--plot-format", "png") == [
        "--svg and --plot-format: use only one of the two"
    ]


def test_every_rule_names_arguments_that_exist() -> None:
    known = vars(parser().parse_args([])).keys()
    for rule in RULES:
        assert {rule.argument, *rule.needs, *(rule.takes or ()), *rule.excludes} <= known
        assert bool(rule.needs) == bool(rule.needed)
        assert (rule.takes is None) == (not rule.applies)


VALUES = {
    "--all-of": "grid",
    "--owner": "ada",
    "--since": "2026-01-31",
    "--where": "seed == 0",
    "--metric": "test/loss",
    "--sort": "rank",
    "--limit": "3",
    "--per": "run",
    "--columns": "rank",
    "--digits": "2",
    "--format": "csv",
    "--output": "x.csv",
    "--report": "x.html",
    "--plots": "x",
    "--register": "x",
    "--export": "x",
}
"""Options that take one value, and a value."""

FLAGS = ("--ui", "--open", "--close-stale", "--postprocess", "--delete", "--relocate")

ROWS = ("--sort", "--limit", "--columns", "--digits", "--format", "--output")


def typed(option: str) -> list[str]:
    return [option, *([VALUES[option]] if option in VALUES else [])]


@pytest.mark.parametrize("option", ["--metric", *ROWS])
def test_difference_of_two_sweeps_takes_a_metric_and_the_options_of_rows(option: str) -> None:
    assert mistakes_of("--diff", "a", "b", *typed(option)) == []


@pytest.mark.parametrize("option", [name for name in (*VALUES, *FLAGS) if name not in ("--metric", *ROWS)])
def test_difference_takes_nothing_else_and_says_so(option: str) -> None:
    (line,) = mistakes_of("--diff", "a", "b", *typed(option))
    first = (
        option if option in ("--close-stale", "--relocate", "--export", "--postprocess", "--delete") else ""
    )
    if first:
        assert line.startswith(f"{first} applies to ") and line.endswith("; remove --diff")
    else:
        assert line == f"--diff compares two runs or two sweeps; remove {option}"
    assert "requires a sweep" not in line


def test_difference_does_not_take_a_sweep() -> None:
    assert mistakes_of("grid", "--diff", "a", "b") == ["--diff compares two runs or two sweeps; remove SWEEP"]


@pytest.mark.parametrize("option", ["--owner", "--since"])
@pytest.mark.parametrize("which", [["grid"], ["--all-of", "grid"]], ids=["sweep", "all of"])
def test_filters_of_the_list_are_not_for_one_sweep(option: str, which: list[str]) -> None:
    shown = "SWEEP" if which == ["grid"] else "--all-of"
    assert mistakes_of(*which, *typed(option)) == [f"{option} and {shown}: use only one of the two"]
    assert mistakes_of(*typed(option)) == []


@pytest.mark.parametrize("option", ["--export", "--postprocess", "--delete"])
def test_actions_on_one_sweep_need_it_and_take_no_other_option(option: str) -> None:
    assert mistakes_of(*typed(option)) == [f"{option}: requires a sweep; list sweeps with: swath-compare"]
    assert mistakes_of("grid", *typed(option), "--uri", "sqlite:///x.db") == []
    for other in ("--all-of", "--sort", "--ui"):
        assert mistakes_of(*typed(option), *typed(other)) == [
            f"{option} applies to one sweep; remove {other}"
        ]


def test_all_mistakes_are_told_at_once() -> None:
    assert mistakes_of("grid", "--all-of", "grid", "--dpi", "9", "--register", " ") == [
        "--dpi: requires --plots DIR",
        "SWEEP and --all-of: use only one of the two",
        "--register: expected a non-empty name",
    ]


def test_columns_are_taken_once() -> None:
    assert parser().parse_args(["grid", "--columns", "rank, seed,rank"]).columns == ["rank", "seed"]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "31.1.2026", "", "99999-01-01"])
def test_date_that_cannot_be_read_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError) as ended:
        parser().parse_args([f"--since={text}"])
    assert f"{text}: expected a date, for example 2026-01-31" in str(ended.value)


def test_date_without_a_zone_is_local() -> None:
    for text in ("2026-01-31", "2026-01-31T18:00"):
        assert parser().parse_args(["--since", text]).since == datetime.fromisoformat(text).astimezone()


@pytest.mark.parametrize("place", ["", "/none/x.csv"], ids=["a folder", "in no folder"])
def test_output_needs_an_existing_folder(tmp_path: Path, place: str) -> None:
    path = f"{tmp_path}{place}"
    found = f"there is no folder {tmp_path}/none" if place else "is a folder; expected a file"
    assert mistakes_of("grid", "--output", path) == [f"--output {path}: {found}"]


def test_formats_and_rows_are_chosen_from_lists(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (("--per", "seed"), ("--format", "xlsx"), ("--plot-format", "jpg")):
        with pytest.raises(ConfigError) as ended:
            parser().parse_args(["grid", *option])
        assert f"{option[0]}: invalid choice: '{option[1]}'" in str(ended.value)
