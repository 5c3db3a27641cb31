"""Arguments of `swath-compare`: those that contradict each other, and those that need others."""

from pathlib import Path

import pytest

from swath.cli.compare import PLOT_FORMATS, check_arguments, parser
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


def test_kinds_of_plots_are_those_that_can_be_drawn() -> None:
    assert set(PLOT_FORMATS) == set(KINDS)


@pytest.mark.parametrize(
    "option", [("--dpi", "100"), ("--size", "6x4"), ("--plot-format", "pdf"), ("--svg",)], ids=" ".join
)
def test_options_of_plots_need_plots(option: tuple[str, ...]) -> None:
    assert mistakes_of("grid", *option) == [f"{option[0]}: requires --plots DIR"]
    assert mistakes_of("grid", "--plots", "plots", *option) == []


@pytest.mark.parametrize(
    "text", ["6", "6x", "x4", "6x4cm", "0x4", "0.5x4", "6x101", "-6x4", "6X4", "nanxinf", "6x4x2"]
)
def test_size_that_is_not_two_numbers_of_inches_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["grid", "--plots", "x", f"--size={text}"])
    assert ended.value.code == 2
    assert f"{text}: expected inches from 1 to 100, for example 6x4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("6x4", (6.0, 4.0)), ("1x100", (1, 100)), ("3.25x2.5", (3.25, 2.5))]
)
def test_size_is_width_and_height(text: str, size: tuple[float, float]) -> None:
    assert parser().parse_args(["grid", "--size", text]).size == size


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x"])
def test_resolution_that_is_not_a_positive_number_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["grid", "--plots", "x", f"--dpi={text}"])
    assert ended.value.code == 2
    assert f"{text}: expected a positive integer" in capsys.readouterr().err


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
    assert mistakes_of("grid", "--plots", "x", "--svg", "--plot-format", "png") != []


@pytest.mark.parametrize("place", ["", "/none/x.csv"], ids=["a folder", "in no folder"])
def test_output_needs_an_existing_folder(tmp_path: Path, place: str) -> None:
    path = f"{tmp_path}{place}"
    assert mistakes_of("grid", "--output", path) == [
        f"--output {path}: expected a file in an existing folder"
    ]


def test_formats_and_rows_are_chosen_from_lists(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (("--per", "seed"), ("--format", "xlsx"), ("--plot-format", "jpg")):
        with pytest.raises(SystemExit) as ended:
            parser().parse_args(["grid", *option])
        assert ended.value.code == 2
        assert f"argument {option[0]}: invalid choice: '{option[1]}'" in capsys.readouterr().err
