"""What a stored search did: rungs, order, confirmed finalists, and the sentences about them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from support.made_searches import CONFIRMED, VALUES, SearchReader, made_search
from support.sweeps import MadeReader, made_grid

from swath.analysis import (
    SearchHistory,
    answer_lines,
    answer_of,
    confirmed_lines,
    history_of,
    rank_sweep,
    ranking_page,
    rung_page,
    stored_space,
    trial_page,
    untested_line,
)
from swath.analysis.answer import edges_in, edges_of

METRIC = "validation/accuracy"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> SearchHistory:
    sweep = made_search(tmp_path_factory.mktemp("search"))
    found = history_of(SearchReader(sweep), sweep)
    assert found is not None
    return found


def test_trials_have_their_values_steps_and_reasons(history: SearchHistory) -> None:
    for trial, values in zip(history.trials, VALUES, strict=True):
        assert list(map(str, trial.values)) == list(map(str, values))
    assert [trial.steps for trial in history.trials] == [10, 10, 100, 100, 40, 10, 40, 4]
    assert [trial.batch_size for trial in history.trials] == [20, 50] * 4
    assert [trial.has_failed for trial in history.trials] == [False] * 6 + [True] * 2
    assert history.trials[0].why == "stopped at 10"
    assert history.trials[7].why == "failed after 4 steps: diverged at step 3: loss is nan"
    assert history.trials[2].named == "learning_rate=1e-06 batch_size=20"


def test_order_is_how_far_trials_came_then_their_value(history: SearchHistory) -> None:
    assert [trial.number for trial in history.best_first] == [3, 2, 4, 5, 1, 0, 6, 7]


def test_rung_table_counts_who_came_went_on_and_failed(history: SearchHistory) -> None:
    headings, rows = rung_page(history)
    assert headings == ["round", "rung (steps)", "came", "went on", "failed", "last that went on"]
    assert rows == [
        ["0", "10", "8", "4", "1", "0.3000"],
        ["0", "40", "4", "2", "1", "0.7000"],
        ["0", "100", "2", "-", "0", "-"],
    ]
    headings, rows = trial_page(history)
    assert rows[2] == ["2", "0", "0.8500", "learning_rate=1e-06 batch_size=20", "trained to its full length"]
    assert rows[7][2] == "-"
    assert all(cell for row in rows for cell in row)


def test_rounds_have_rows_of_their_own(tmp_path: Path) -> None:
    sweep = made_search(tmp_path)
    runs = [
        replace(run, tags={**run.tags, "swath.search.round": str(place // 4)})
        for place, run in enumerate(sweep.runs[:8])
    ]
    sweep = replace(sweep, runs=tuple(runs))
    found = history_of(SearchReader(sweep), sweep)
    assert found is not None
    rows = found.rung_rows()
    assert [(row.round_number, row.steps, row.came, row.went_on, row.failed) for row in rows] == [
        (0, 10, 4, 2, 0),
        (0, 40, 2, 2, 0),
        (0, 100, 2, 2, 0),
        (1, 10, 4, 2, 1),
        (1, 40, 2, 0, 1),
        (1, 100, 0, 0, 0),
    ]


def test_mean_over_the_confirming_seeds_names_the_winner(history: SearchHistory) -> None:
    assert history.winner is not None
    assert history.winner.number == 2
    assert [each.trial.number for each in history.confirmed] == [2, 3]
    assert history.confirmed[0].values == (0.85, *CONFIRMED[2])
    assert confirmed_lines(history) == [
        "Best of 8 with one seed 0.9000 (trial 3); over 3 seeds 0.8400.",
        "The winner by the mean over seeds is trial 2: with one seed 0.8500, over 3 seeds 0.8767.",
        "Its lead over the next finalist (trial 3): -0.0500 with one seed, +0.0367 over the seeds.",
    ]


def test_smaller_losses_win(tmp_path: Path) -> None:
    sweep = made_search(tmp_path, confirmed={}, objective="validation/loss")
    found = history_of(SearchReader(sweep), sweep)
    assert found is not None
    assert [trial.number for trial in found.best_first] == [2, 3, 4, 0, 1, 5, 6, 7]
    assert [row.bar for row in found.rung_rows()] == [0.55, 0.75, 0.9]
    assert confirmed_lines(found) == []
    assert found.winner == found.trials[2]


def test_only_trials_of_full_length_have_test_accuracies_and_the_page_says_so(history: SearchHistory) -> None:
    assert "(-: not evaluated)" in untested_line(history)
    assert untested_line(replace(history, tests_all=True)) == ""
    runs = [trial.run for trial in history.trials if trial.run.status == "FINISHED"]
    columns, rows = ranking_page(*rank_sweep(runs, METRIC), ["learning_rate"], METRIC, 100)
    cells = [row[columns.index("test/accuracy")] for row in rows]
    assert cells == ["0.4500", "0.4250", "-", "-", "-", "-"]


def test_grid_and_search_without_a_manifest_have_no_history(tmp_path: Path) -> None:
    grid = made_grid(tmp_path / "grid")
    assert history_of(MadeReader(grid), grid) is None
    assert stored_space(grid) == ()
    search = made_search(tmp_path / "search")
    assert search.summary_run is not None
    assert [field.name for field in stored_space(search)] == ["learning_rate", "batch_size"]
    (tmp_path / "search" / "summary" / "sweep-manifest.json").write_text("{")
    assert history_of(SearchReader(search), search) is None
    (tmp_path / "search" / "summary" / "sweep-manifest.json").unlink()
    assert history_of(SearchReader(search), search) is None


@pytest.mark.parametrize(("rate", "end"), [("9.5e-05", 1e-4), ("1.1e-08", 1e-8), ("5e-05", None)])
def test_edge_of_a_search_is_the_end_of_an_interval(
    history: SearchHistory, rate: str, end: float | None
) -> None:
    best = replace(history.trials[0].run, params={**history.trials[0].run.params, "learning_rate": rate})
    others = [trial.run for trial in history.trials]
    assert [edge.end for edge in edges_in(history.fields, best) if edge.field == "learning_rate"] == (
        [] if end is None else [end]
    )
    assert edges_of([best], best, ["learning_rate"]) == [], "what was proposed would say nothing"
    ranked, groups = rank_sweep([best], METRIC)
    lines = answer_lines(answer_of(ranked, groups, others, ["learning_rate"], METRIC, history.fields))
    edge = " ".join(lines).partition("At the edge of the space, so better values may lie beyond:")[2]
    assert ("learning_rate" in edge) == (end is not None)
    assert "batch_size=20 (smallest of 2)" in edge, "listed values have edges, too"
    assert "max_steps" not in edge


def test_value_is_missing_where_all_failed(tmp_path: Path) -> None:
    values = [(), (math.nan,)]
    sweep = made_search(tmp_path, values=values, confirmed={})
    found = history_of(SearchReader(sweep, values), sweep)
    assert found is not None
    assert (found.winner, found.finalists, found.confirmed) == (None, [], [])
    assert [(row.came, row.went_on, row.failed, row.bar) for row in found.rung_rows()] == [
        (2, 0, 2, None),
        (0, 0, 0, None),
        (0, 0, 0, None),
    ]
