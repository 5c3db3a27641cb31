"""All pictures of a sweep: which there are, what they name, and the files that they are written to."""

import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from support.sweeps import SWEEP_ID, MadeReader, made_grid, made_run, made_sweep

from swath.analysis import Sweep
from swath.errors import SwathError, UsageError
from swath.plotting import KINDS, PlotStyle, draw_sweep
from swath.plotting.figures import figures_of
from swath.plotting.layout import new_figure, save

STORE = "sqlite:////a b/mlflow.db"
GRID = {"accuracy", "confusion", "heat_map", "learning_curves", "loss_curves", "weights"}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Batch size by learning rate."""
    return made_grid(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def single(grid: Sweep) -> Sweep:
    """One run of the grid."""
    return replace(grid, runs=grid.runs[:1])


def names_of(sweep: Sweep, metric: str | None = None) -> set[str]:
    return {name for name, _ in figures_of(MadeReader(sweep), sweep, metric)}


def figure_of(sweep: Sweep, wanted: str) -> mpl.figure.Figure:
    return next(figure for name, figure in figures_of(MadeReader(sweep), sweep, None) if name == wanted)


def test_pictures_of_a_grid_are_those_of_its_fields(grid: Sweep) -> None:
    assert names_of(grid) == GRID


def test_accuracy_by_steps_is_drawn_where_the_steps_vary_beside_another_number(tmp_path: Path) -> None:
    both = made_grid(tmp_path / "both", steps=(20, 40))
    assert names_of(both) == GRID | {"accuracy_by_steps"}
    axes = figure_of(both, "accuracy_by_steps").axes
    assert {place.get_xlabel() for place in axes} == {"", "max_steps"}
    only = made_grid(tmp_path / "only", batch_sizes=(50,), rates=(1e-6,), steps=(20, 40))
    assert "accuracy_by_steps" not in names_of(only), "the accuracy is along the steps already"


def test_sweep_of_seeds_has_curves_and_no_picture_of_a_grid(tmp_path: Path) -> None:
    seeds = made_grid(tmp_path, batch_sizes=(50,), rates=(1e-6,), seeds=(0, 1, 2))
    assert names_of(seeds) == {"confusion", "learning_curves", "loss_curves", "weights"}
    axes = figure_of(seeds, "learning_curves").axes[0]
    assert axes.get_ylabel().endswith("mean ± s.d. over 3 seeds")
    assert len(axes.lines) == 1


def test_runs_of_different_lengths_lie_on_each_other(tmp_path: Path) -> None:
    sweep = made_grid(tmp_path, batch_sizes=(50,), rates=(1e-6,), steps=(250, 500))
    for name, metric in (("learning_curves", "train accuracy"), ("loss_curves", "train loss (nats)")):
        axes = figure_of(sweep, name).axes[0]
        assert axes.get_ylabel() == f"{metric}, mean of 25 steps"
        data = {str(line.get_label()): line.get_xydata() for line in axes.lines}
        short = np.asarray(next(values for label, values in data.items() if "max_steps=250" in label))
        long = np.asarray(next(values for label, values in data.items() if "max_steps=500" in label))
        assert (len(short), len(long)) == (250, 500)
        np.testing.assert_array_equal(long[:250], short)


def test_failed_runs_are_left_out(tmp_path: Path) -> None:
    runs = [made_run(tmp_path, number, 0.5, learning_rate=10.0**-number) for number in (6, 7, 8)]
    failed = made_run(tmp_path, 9, 0.0, "FAILED", learning_rate=1e36)
    sweep = made_sweep([*runs, failed])
    assert names_of(sweep) == GRID - {"heat_map"}
    axes = figure_of(sweep, "accuracy").axes[0]
    points = [float(x) for line in axes.lines if line.get_label() != "guessing" for x in line.get_xdata()]
    assert (min(points), max(points)) == (pytest.approx(1e-8), pytest.approx(1e-6))


def test_every_picture_names_sweep_date_owner_and_store(grid: Sweep, tmp_path: Path) -> None:
    paths = draw_sweep(MadeReader(grid), grid, tmp_path, STORE, style=PlotStyle("svg"))
    assert {path.stem for path in paths} == GRID
    heading = grid.heading(STORE)
    assert re.fullmatch(
        rf"Sweep grid {SWEEP_ID} of 2026-01-0\d \d\d:\d\d by ada, in {re.escape(STORE)}", heading
    )
    for path in paths:
        assert heading in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    "store",
    [
        "sqlite:////a_b/100%/<&>/mlflow.db",
        "sqlite:////$a^$/mlflow.db",
    ],
)
def test_store_with_special_characters_is_named_as_it_is(store: str, single: Sweep, tmp_path: Path) -> None:
    (path, *_) = draw_sweep(MadeReader(single), single, tmp_path, store, style=PlotStyle("svg"))
    text = path.read_text(encoding="utf-8").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert f"in {store}<" in text


@pytest.mark.parametrize("kind", KINDS)
def test_equal_figures_give_equal_bytes(kind: str, grid: Sweep, tmp_path: Path) -> None:
    written = []
    for again in ("first", "second"):
        (tmp_path / again).mkdir()
        figures = dict(figures_of(MadeReader(grid), grid, None))
        for name in ("accuracy", "weights"):
            path = save(figures[name], tmp_path / again, name, kind, 50)
            written.append((path.name, path.read_bytes()))
    assert [name for name, _ in written[:2]] == [f"accuracy.{kind}", f"weights.{kind}"]
    assert written[:2] == written[2:]


def test_svg_keeps_its_texts(grid: Sweep, tmp_path: Path) -> None:
    path = save(figure_of(grid, "accuracy"), tmp_path, "accuracy", "svg")
    text = path.read_text(encoding="utf-8")
    assert text.lstrip().startswith("<?xml")
    assert re.search(r"<text[^>]*>learning_rate</text>", text)
    assert re.search(r"<text[^>]*>guessing</text>", text)


def streams_of(pdf: bytes) -> Iterator[bytes]:
    """The content of a PDF: its objects, and its compressed streams."""
    yield pdf
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(found[1])
        except zlib.error:
            continue


def test_pdf_embeds_truetype_fonts(grid: Sweep, tmp_path: Path) -> None:
    path = save(figure_of(grid, "accuracy"), tmp_path, "accuracy", "pdf")
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    everything = b"\n".join(streams_of(content))
    assert b"/FontFile2" in everything, "a TrueType font program"
    assert b"/Type3" not in everything, "journals refuse such fonts"
    assert b"/CreationDate" not in everything


def test_size_and_resolution_of_a_png_are_those_asked_for(single: Sweep, tmp_path: Path) -> None:
    paths = draw_sweep(MadeReader(single), single, tmp_path, STORE, style=PlotStyle("png", 50, (6.0, 4.0)))
    assert len(paths) == 4
    for path in paths:
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("PNG", (300, 200)), path
            assert picture.info["dpi"] == pytest.approx((50, 50), abs=0.1)
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 10, "not blank"


def test_resolution_does_not_change_the_size_in_inches(tmp_path: Path) -> None:
    figure, _ = new_figure(5.0, 2.0)
    for dpi in (60, 120):
        with Image.open(save(figure, tmp_path, f"at {dpi}", "png", dpi)) as picture:
            assert picture.size == (5 * dpi, 2 * dpi)


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_size_of_other_kinds_is_in_points(kind: str, tmp_path: Path) -> None:
    figure, _ = new_figure(6.0, 4.0)
    content = b"\n".join(streams_of(save(figure, tmp_path, "figure", kind, 300).read_bytes()))
    size = b'width="432pt" height="288pt"' if kind == "svg" else b"/MediaBox [ 0 0 432 288 ]"
    assert size in content


def test_folder_that_cannot_be_made_is_reported(grid: Sweep, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SwathError, match=r"cannot write figures to .*file/plots: Not a directory"):
        draw_sweep(MadeReader(grid), grid, tmp_path / "file" / "plots", STORE)


@pytest.mark.parametrize("size", [(2, 2), (2, 30)])
def test_size_without_room_for_the_axes_is_refused_before_anything_is_written(
    grid: Sweep, tmp_path: Path, size: tuple[float, float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError, match=r"--size \d+x\d+: too small for the plot \w+, whose"):
            draw_sweep(MadeReader(grid), grid, tmp_path / "plots", STORE, style=PlotStyle(size=size))
    assert list(tmp_path.iterdir()) == []


def test_size_of_a_column_of_a_paper_is_enough(grid: Sweep, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = draw_sweep(MadeReader(grid), grid, tmp_path, STORE, style=PlotStyle(size=(3.5, 3), dpi=50))
    assert {path.stem for path in paths} == GRID
