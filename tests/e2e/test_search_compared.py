"""`swath-compare` on a search made by swath: rungs, reasons, confirmed finalists, pictures, the report."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.command import error_lines, swath, swath_compare
from support.pages import Page
from support.waiting import query_store

DIGITS = ("data=digits", "data.validation_size=300")
SPACE = ("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
HALVING = ("max_steps=100", "search.first_steps=25", "search.factor=2", "search.confirm=2")
SEARCH = (*SPACE, *DIGITS, *HALVING, "search.trials=16")
RUNGS = (
    "round rung (steps) came went on failed last that went on",
    "0 25 16 9 0 ",  # eight by their value, one in a free lane
    "0 50 9 4 0 ",
    "0 100 4 - 0 -",
)
PICTURES = {"best_so_far", "confusion", "importance", "learning_curves", "loss_curves", "rungs", "slices"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a halved search, one of few trials that diverge in part, and a grid."""
    folder = tmp_path_factory.mktemp("searched")
    assert swath(folder, *SEARCH).returncode == 0
    return folder


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a search of few trials, of which some diverge, and a grid."""
    folder = tmp_path_factory.mktemp("failing")
    search = ("learning_rate=1e-7,1e-6,1e36", "search.trials=3", "search.halving=true", "max_steps=40")
    assert swath(folder, "-m", *search, *DIGITS).returncode in (0, 1)
    assert swath(folder, "-m", "learning_rate=1e-6,1e-5", *DIGITS, "max_steps=5").returncode == 0
    return folder


def listed(folder: Path) -> list[dict[str, Any]]:
    """The sweeps of a store."""
    sweeps: list[dict[str, Any]] = json.loads(swath_compare(folder, "--format", "json").stdout)
    return sweeps


def test_rungs_reasons_and_the_confirmed_winner_are_said(folder: Path) -> None:
    done = swath_compare(folder, "ad-hoc", "--format", "table")
    assert done.returncode == 0, done.stderr
    said = [" ".join(line.split()) for line in done.stderr.splitlines()]
    for row in RUNGS:
        assert any(line.startswith(row) for line in said), row
    assert "To see why each of the 16 trials ended, add --long" in said
    assert not any("stopped at" in line for line in said)
    (flattered,) = [line for line in said if line.startswith("Best of 16 with one seed ")]
    assert " over 3 seeds " in flattered
    assert any(line.startswith("Its lead over the next finalist (trial ") for line in said)
    assert any(
        line.startswith("What distinguishes the best 8 of 16 (PED-ANOVA): learning_rate ") for line in said
    )
    assert any("(-: not evaluated)" in line for line in said)
    table = [line.split() for line in done.stdout.splitlines()[1:]]
    assert sum(row[-1] == "-" for row in table) == 12, "all but those of full length"


def test_reasons_of_all_trials_are_listed_on_request(folder: Path) -> None:
    done = swath_compare(folder, "ad-hoc", "--long")
    lines = [line for line in done.stderr.splitlines() if "stopped at" in line or "trained to its" in line]
    assert [int(line.split()[0]) for line in lines] == list(range(16))
    assert sum("stopped at 25: place" in line for line in lines) == 7
    assert all("learning_rate=" in line for line in lines)


def test_winner_of_the_table_is_that_of_the_mean(folder: Path) -> None:
    done = swath_compare(folder, "ad-hoc", "--format", "json", "--per", "configuration")
    rows = json.loads(done.stdout)
    confirmed = [row for row in rows if row["n"] == 3]
    assert len(confirmed) == 2
    means = [row["validation/accuracy"] for row in rows]
    assert means[0] == max(row["validation/accuracy"] for row in confirmed)


def test_failed_trials_are_counted_and_say_why(failing: Path) -> None:
    (search,) = [each for each in listed(failing) if each["failed"]]
    done = swath_compare(failing, search["sweep_id"])
    assert done.returncode == 0, done.stderr
    said = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert any(line.startswith("0 4 3 1 1 ") for line in said)
    (reason,) = [line for line in said if line.startswith("2 0 - learning_rate=1e+36 ")]
    assert "failed after" in reason
    assert "diverged" in reason


def test_long_is_for_searches(failing: Path) -> None:
    (grid,) = [each for each in listed(failing) if not each["failed"]]
    done = swath_compare(failing, grid["sweep_id"], "--long")
    assert done.returncode == 2
    (line,) = error_lines(done.stderr, "swath-compare")
    assert "is no search" in line
    done = swath_compare(failing, "--long")
    assert done.returncode == 2
    assert error_lines(done.stderr, "swath-compare") == [
        "swath-compare: --long: requires a sweep; list sweeps with: swath-compare"
    ]


def test_pictures_of_a_search_are_drawn_without_a_warning(folder: Path, tmp_path: Path) -> None:
    done = swath_compare(folder, "ad-hoc", "--plots", str(tmp_path / "plots"), PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert names == PICTURES | {"weights"}
    for path in (tmp_path / "plots").iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 150
    assert "Warning" not in done.stderr


def test_report_has_the_rungs_the_reasons_and_the_pictures(folder: Path, tmp_path: Path) -> None:
    done = swath_compare(folder, "ad-hoc", "--report", str(tmp_path / "search.html"))
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "search.html").read_text(encoding="utf-8"))
    assert "Rungs" in page.of("h2")
    headings = [table.headings for table in page.tables]
    assert ["round", "rung (steps)", "came", "went on", "failed", "last that went on"] in headings
    (trials,) = [table for table in page.tables if table.headings[-1] == "why it ended"]
    assert len(trials.rows) == 16
    assert all(cell for table in page.tables for row in table.rows for cell in row if table is trials)
    assert any(line.startswith("Best of 16 with one seed ") for line in page.of("p"))
    assert any("(-: not evaluated)" in line for line in page.of("p"))
    assert any("the lighter, the earlier it was stopped" in line for line in page.of("figcaption"))


def test_summary_run_has_the_best_value_and_the_steps_by_trial(folder: Path) -> None:
    query = "select step, value from metrics where key = 'search/{}' order by step"
    best, steps = (query_store(folder, query.format(name)) for name in ("best", "steps"))
    assert [step for step, _ in best] == [step for step, _ in steps] == list(range(16))
    (largest,) = query_store(folder, "select max(value) from metrics where key = 'rung/accuracy'")
    values = [value for _, value in best]
    assert values == sorted(values)  # type: ignore[type-var]
    assert values[-1] <= largest[0]  # type: ignore[operator]
    assert steps[-1][1] == 16 * 25 + 9 * 25 + 4 * 50
    (view,) = query_store(
        folder, "select value from experiment_tags where key like 'mlflow.sharedViewState.%'"
    )
    assert "search/best" in str(view)


def test_resumed_search_continues_the_metrics_by_trial(tmp_path: Path) -> None:
    search = (*SPACE, *DIGITS, "max_steps=20", "search.confirm=0")
    for trials, resume in ((6, "no"), (9, "yes")):
        done = swath(tmp_path, *search, f"search.trials={trials}", f"resume={resume}")
        assert done.returncode == 0, done.stderr
    steps = query_store(tmp_path, "select step, value from metrics where key = 'search/steps' order by step")
    assert [step for step, _ in steps] == list(range(9)), "each once"
    (trained,) = query_store(tmp_path, "select sum(value) from params where key = 'max_steps'")
    assert steps[-1][1] == trained[0]
