"""Pictures of a search, checked on Matplotlib's objects."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from support.made_searches import RATES, VALUES, SearchReader, made_search
from support.pages import Page

from swath.analysis import Importance, SearchHistory, Sweep, expected_best, history_of
from swath.plotting import report_html
from swath.plotting.figures import figures_of
from swath.plotting.search_figures import draw_best_so_far, draw_rungs
from swath.plotting.search_slices import draw_importance, draw_slices

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return made_search(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def history(sweep: Sweep) -> SearchHistory:
    found = history_of(SearchReader(sweep), sweep)
    assert found is not None
    return found


def drawn(figure: Figure | None) -> list[Axes]:
    """The axes of a figure, once it has been laid out."""
    assert figure is not None
    figure.draw_without_rendering()
    return figure.axes


def line_of(axes: Axes, start: str) -> tuple[Any, Any]:
    (line,) = [line for line in axes.lines if str(line.get_label()).startswith(start)]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_best_so_far_is_over_the_image_steps_of_all_trials(history: SearchHistory) -> None:
    (axes,) = drawn(draw_best_so_far(history))
    costs, best = line_of(axes, "this search (random, halved)")
    steps = np.array([10, 10, 100, 100, 40, 10, 40, 4]) * np.array([20, 50] * 4)
    assert costs.tolist() == np.cumsum(steps).tolist()
    assert best.tolist() == [0.1, 0.2, 0.85, 0.9, 0.9, 0.9, 0.9, 0.9]


def test_random_search_draws_from_the_values_at_the_cost_of_full_trials(history: SearchHistory) -> None:
    (axes,) = drawn(draw_best_so_far(history))
    costs, best = line_of(axes, "random search, each trial 100 steps")
    assert costs.tolist() == [100 * 35 * n for n in range(1, 9)]
    values = [0.1, 0.2, 0.85, 0.9, 0.65, 0.4, 0.1, 0.1]
    np.testing.assert_allclose(best, expected_best(values))


def test_random_search_draws_from_trials_that_tpe_had_not_learned_for(history: SearchHistory) -> None:
    trials = tuple(replace(trial, round_number=trial.number // 2) for trial in history.trials)
    (axes,) = drawn(draw_best_so_far(replace(history, sampler="tpe", trials=trials)))
    _, best = line_of(axes, "random search")
    np.testing.assert_allclose(best, expected_best([0.1, 0.2, 0.85, 0.9]))


def test_rungs_have_a_line_for_each_trial_and_name_those_of_full_length(history: SearchHistory) -> None:
    figure = draw_rungs(history)
    (axes,) = drawn(figure)
    lines = [
        np.asarray(line.get_ydata()).tolist() for line in axes.lines if len(np.asarray(line.get_xdata()))
    ]
    expected = [list(values) for values in VALUES if values]
    assert sorted(map(str, lines)) == sorted(map(str, expected))
    assert figure is not None
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert names[:2] == [
        "trial 2: learning_rate=1e-06 batch_size=20",
        "trial 3: learning_rate=2e-06 batch_size=50",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "40", "100"]


def test_search_that_is_not_halved_has_no_rungs(history: SearchHistory) -> None:
    assert draw_rungs(replace(history, rungs=(100,))) is None


def test_slices_show_each_trial_on_the_scale_of_its_field(history: SearchHistory) -> None:
    rate, size = drawn(draw_slices(history, []))
    assert (rate.get_xscale(), size.get_xscale()) == ("log", "linear")
    assert (rate.get_xlabel(), size.get_xlabel()) == ("learning_rate", "batch_size")
    points = np.concatenate([np.asarray(found.get_offsets()) for found in rate.collections])
    shown = {(float(RATES[n]), VALUES[n][-1]) for n in range(6)}
    assert {(float(x), float(y)) for x, y in points} == shown, "without those that failed"
    (ring,) = [found for found in rate.collections if found.get_label() == "best, by the mean over seeds"]
    assert np.asarray(ring.get_offsets()).tolist() == [[1e-6, 0.85]]
    assert [label.get_text() for label in size.get_xticklabels()] == ["20", "50"]


def test_most_important_field_has_the_first_panel(history: SearchHistory) -> None:
    importances = [Importance("batch_size", 0.7), Importance("learning_rate", 0.3)]
    assert [axes.get_xlabel() for axes in drawn(draw_slices(history, importances))] == [
        "batch_size",
        "learning_rate",
    ]


def test_importance_has_a_bar_for_each_field() -> None:
    (axes,) = drawn(draw_importance([Importance("learning_rate", 0.9), Importance("batch_size", 0.1)]))
    assert [text.get_text() for text in axes.texts] == ["10%", "90%"]
    assert draw_importance([Importance("learning_rate", 1.0)]) is None


def test_search_without_a_value_has_no_pictures_of_it(tmp_path: Path) -> None:
    values = [(), (math.nan,)]
    sweep = made_search(tmp_path, values=values, confirmed={})
    found = history_of(SearchReader(sweep, values), sweep)
    assert found is not None
    assert (draw_best_so_far(found), draw_rungs(found), draw_slices(found, [])) == (None, None, None)


def test_pictures_of_the_search_take_the_place_of_those_of_a_grid(sweep: Sweep) -> None:
    names = [name for name, _ in figures_of(SearchReader(sweep), sweep, None)]
    assert names[:3] == ["best_so_far", "rungs", "slices"]
    assert not {"accuracy", "accuracy_by_steps", "heat_map"} & set(names)


def test_report_says_who_was_not_evaluated_and_why_trials_ended(sweep: Sweep) -> None:
    page = Page(report_html(SearchReader(sweep), sweep, "sqlite:///mlflow.db"))
    tables = {table.headings[0]: table for table in page.tables}
    assert [row[0] for row in tables["trial"].rows] == [str(number) for number in range(len(VALUES))]
    assert tables["trial"].rows[7][-1] == "failed after 4 steps: diverged at step 3: loss is nan"
    assert [row[2:5] for row in tables["round"].rows] == [["8", "4", "1"], ["4", "2", "1"], ["2", "-", "0"]]
    ranking = tables["rank"]
    tests = [row[ranking.headings.index("test/accuracy")] for row in ranking.rows]
    assert "-" in tests
    assert all(tests)
