"""Addresses of pages of the MLflow UI."""

import json
from urllib.parse import unquote

import pytest

from swath.tracking import name_filter, sweep_pages, view_state
from swath.tracking.ui_urls import MOST_COMPARED, compare_page


def test_view_contains_exactly_the_configurations_of_the_sweep() -> None:
    view = json.loads(view_state("0123456789ab", ["learning_rate"], ["test/accuracy"]))
    assert view["searchFilter"] == "tags.`swath.sweep_id` = '0123456789ab' AND tags.`swath.kind` = 'run'"
    assert view["selectedColumns"] == ["params.`learning_rate`", "metrics.`test/accuracy`"]


def test_compare_page_contains_only_the_best_runs() -> None:
    page = unquote(compare_page(["7"], [f"run{number}" for number in range(99)]))
    assert f'"run{MOST_COMPARED - 1}"]' in page
    assert page.endswith('&experiments=["7"]')


def test_single_run_has_no_compare_page() -> None:
    assert [what for what, _ in sweep_pages("7", "id", ["a"])] == ["its runs"]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("grid", "= 'grid'"),
        ("o'brien", '= "o\'brien"'),
        ('the "one"', "= 'the \"one\"'"),
        ("a'\"b", "LIKE 'a_\"b'"),
    ],
)
def test_quotes_in_a_name_do_not_end_the_filter(name: str, condition: str) -> None:
    assert name_filter(name) == f"tags.`swath.sweep` {condition} AND tags.`swath.kind` = 'run'"
