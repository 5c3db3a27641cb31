"""The report of a sweep as one HTML page."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.pages import Page
from support.sweeps import SWEEP_ID, MadeReader, made_grid, made_run, made_sweep

from swath.analysis import Sweep, answer_lines, answer_of, importance_notes, rank_sweep
from swath.plotting import report_html
from swath.plotting.figures import figures_of
from swath.plotting.report import CAPTIONS, MOST_ROWS, OPEN_ROWS

STORE = "sqlite:///mlflow.db"
METRIC = "validation/accuracy"
HOSTILE = '<script>alert("&")</script>'


def page_of(sweep: Sweep, metric: str | None = None) -> Page:
    return Page(report_html(MadeReader(sweep), sweep, STORE, metric))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Batch size by learning rate, with a question and a command that look like HTML."""
    folder = tmp_path_factory.mktemp("grid")
    return made_grid(folder, question=f"Which rate{HOSTILE}?", command=f"swath -m 'x={HOSTILE}'")


@pytest.fixture(scope="module")
def text(grid: Sweep) -> str:
    return report_html(MadeReader(grid), grid, STORE)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures, which take a second."""
    monkeypatch.setattr("swath.plotting.report.draw_sweep", lambda *_: [])


def without_pictures(text: str) -> str:
    return re.sub(r'src="data:[^"]*"', "", text)


def test_answer_is_that_of_the_ranking(grid: Sweep, page: Page) -> None:
    ranked, groups = rank_sweep(grid.runs, METRIC)
    expected = answer_lines(answer_of(ranked, groups, grid.runs, grid.swept, METRIC))
    assert len(expected) > 2
    assert [line for line in page.of("p") if line in expected] == expected
    assert "Ranked by validation/accuracy." in page.of("p")


@pytest.mark.usefixtures("undrawn")
def test_heading_is_the_question_and_the_sweep_is_named(grid: Sweep, page: Page) -> None:
    assert page.of("h1") == [f"Which rate{HOSTILE}?"]
    assert page.of("title") == [f"sweep grid {SWEEP_ID}"]
    assert f"{grid.heading(STORE)}: 6 runs finished." in page.of("p")
    unasked = made_sweep(grid.runs)
    assert page_of(unasked).of("h1") == ["Sweep grid"]


def test_ranking_has_a_row_for_each_run_with_its_stored_values(grid: Sweep, page: Page) -> None:
    (table,) = page.tables
    assert table.headings == [
        *("rank", METRIC, "batch_size", "learning_rate", "95% interval", "test/accuracy", "p", "tie", "run")
    ]
    best_first = sorted(grid.runs, key=lambda run: -run.metrics[METRIC])
    assert len(table.rows) == len(best_first)
    for place, (row, run) in enumerate(zip(table.rows, best_first, strict=True), start=1):
        cells = dict(zip(table.headings, row, strict=True))
        assert (cells["rank"], cells["run"]) == (str(place), run.run_id[:8])
        assert cells[METRIC] == f"{run.metrics[METRIC]:.4f}"
        assert cells["test/accuracy"] == f"{run.metrics['test/accuracy']:.4f}"
        assert cells["learning_rate"] == run.params["learning_rate"]
    assert page.values("tr", "class") == ["best"]


def test_importance_is_that_of_swath_compare(grid: Sweep, page: Page) -> None:
    notes = importance_notes(grid.runs, grid.swept, METRIC, False)
    assert len(notes) == 3
    assert [line for line in page.of("p") if line in notes] == notes


def test_all_pictures_are_embedded_with_their_captions(grid: Sweep, page: Page) -> None:
    names = [name for name, _ in figures_of(MadeReader(grid), grid, None)]
    sources = page.values("img", "src")
    assert len(sources) == len(names) >= 6
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
            assert min(picture.size) > 250
    assert page.of("figcaption") == page.values("img", "alt") == [CAPTIONS[name] for name in names]


def test_page_needs_no_other_file_and_no_network(text: str, page: Page) -> None:
    assert re.findall(r"https?:", without_pictures(text)) == []
    assert {element for element, _, _ in page.attributes} & {"script", "link", "iframe", "object"} == set()
    assert {name for _, name, _ in page.attributes if name in ("href", "action", "srcset")} == set()
    assert "@import" not in text and "url(" not in text


@pytest.mark.usefixtures("undrawn")
def test_command_question_and_environment_are_escaped(grid: Sweep, text: str, page: Page) -> None:
    assert "<script" not in text
    assert page.of("pre") == [f"swath -m 'x={HOSTILE}'", f"swath-reproduce --sweep {SWEEP_ID}"]
    assert grid.summary_run is not None
    tags = {**grid.summary_run.tags, "swath.cpu": HOSTILE, "mlflow.user": HOSTILE}
    hostile = page_of(replace(grid, summary_run=replace(grid.summary_run, tags=tags)))
    shown = dict(zip(hostile.of("dt"), hostile.of("dd"), strict=True))
    assert shown["processor"] == HOSTILE
    assert any(f"by {HOSTILE}, in " in line for line in hostile.of("p"))


@pytest.mark.usefixtures("undrawn")
def test_values_of_a_run_are_escaped(tmp_path: Path) -> None:
    runs = [
        made_run(tmp_path, number, 0.5, preprocessing=text) for number, text in enumerate((HOSTILE, "none"))
    ]
    found = page_of(made_sweep(runs))
    assert HOSTILE in [cell for row in found.tables[0].rows for cell in row]


def test_environment_is_that_of_the_runs(page: Page) -> None:
    shown = dict(zip(page.of("dt"), page.of("dd"), strict=True))
    assert shown["TensorFlow"] == "2.21.0"
    assert shown["processor"] == "a processor"
    assert shown["machine"] == "a machine"
    assert shown["swath"] == "0.2"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """More runs than the page shows at first."""
    folder = tmp_path_factory.mktemp("many")
    runs = [
        made_run(folder, number, 0.1 + number / 50, batch_size=number + 1, max_steps=2)
        for number in range(OPEN_ROWS + 3)
    ]
    return made_sweep(runs)


@pytest.mark.usefixtures("undrawn")
def test_rows_beyond_the_first_unfold(many: Sweep) -> None:
    found = page_of(many)
    shown, folded = found.tables
    assert (len(shown.rows), len(folded.rows)) == (OPEN_ROWS, 3)
    assert [row[0] for row in [*shown.rows, *folded.rows]] == [str(place) for place in range(1, 24)]
    assert found.of("summary") == ["3 more"]
    assert found.values("tr", "class") == ["best"]


@pytest.mark.usefixtures("undrawn")
def test_rows_that_fit_are_all_shown(many: Sweep) -> None:
    found = page_of(replace(many, runs=many.runs[:OPEN_ROWS]))
    assert [len(table.rows) for table in found.tables] == [OPEN_ROWS]
    assert found.of("summary") == []


@pytest.mark.usefixtures("undrawn")
def test_rows_beyond_the_last_are_counted(many: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.plotting.report.MOST_ROWS", OPEN_ROWS + 1)
    found = page_of(many)
    assert [len(table.rows) for table in found.tables] == [OPEN_ROWS, 1]
    assert "... 2 more rows." in found.of("p")
    assert MOST_ROWS >= 100


def test_report_of_several_seeds_has_means(tmp_path: Path) -> None:
    sweep = made_grid(tmp_path, batch_sizes=(50,), seeds=(0, 1, 2))
    found = page_of(sweep)
    (table,) = found.tables
    assert table.headings == ["rank", METRIC, "learning_rate", "test/accuracy", "seeds", "p", "tie"]
    assert [row[0] for row in table.rows] == ["1", "2", "3"]
    by_rate: dict[str, list[float]] = {}
    for run in sweep.runs:
        by_rate.setdefault(run.params["learning_rate"], []).append(run.metrics[METRIC])
    for row in table.rows:
        values = by_rate[row[2]]
        mean = sum(values) / 3
        deviation = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
        assert row[1] == f"{mean:.4f} ± {deviation:.4f}"
        assert row[4] == "3"
    assert "Ranked by validation/accuracy (mean over seeds)." in found.of("p")
    assert any("(3 seeds)" in line for line in found.of("p"))
    assert any(line.startswith("Variance in ") and ", seed " in line for line in found.of("p"))


@pytest.mark.usefixtures("undrawn")
def test_failed_runs_are_counted_and_not_ranked(grid: Sweep, tmp_path: Path) -> None:
    failed = made_run(tmp_path, 50, 0.0, "FAILED", learning_rate=1e36)
    killed = made_run(tmp_path, 51, 0.0, "KILLED", learning_rate=1e35)
    found = page_of(replace(grid, runs=(*grid.runs, failed, killed)))
    assert f"{grid.heading(STORE)}: 6 runs finished, 1 failed, 1 killed." in found.of("p")
    (table,) = found.tables
    assert len(table.rows) == 6
    assert "1e+36" not in [cell for row in table.rows for cell in row]


@pytest.mark.usefixtures("undrawn")
def test_report_without_a_summary_run_takes_the_environment_of_the_best_run(grid: Sweep) -> None:
    found = page_of(replace(grid, summary_run=None))
    assert found.of("h1") == ["Sweep grid"]
    assert found.of("pre")[0] == "unknown"
    assert dict(zip(found.of("dt"), found.of("dd"), strict=True))["processor"] == "a processor"


@pytest.mark.usefixtures("undrawn")
def test_report_ranks_by_the_metric_that_was_asked_for(grid: Sweep) -> None:
    found = page_of(grid, "test/loss")
    (table,) = found.tables
    assert table.headings[:2] == ["rank", "test/loss"]
    losses = [float(row[1]) for row in table.rows]
    assert losses == sorted(losses)
    assert "Ranked by test/loss." in found.of("p")
