"""Addresses of pages of the MLflow UI, and the commands that show them."""

import json
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from swath.tracking import (
    compare_command,
    filtered_page,
    name_filter,
    page_server,
    run_page,
    runs_page,
    view_state,
)
from swath.tracking.ui_urls import PageServer, command

SWEEP_ID = "0123456789ab"


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server runs; all commands are on PATH; the working folder is empty."""
    monkeypatch.setattr("swath.tracking.ui_urls._listens", lambda port: False)
    monkeypatch.setattr("swath.tracking.ui_urls.shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("MLFLOW_PORT", raising=False)
    monkeypatch.chdir(tmp_path)


def test_view_contains_exactly_the_configurations_of_the_sweep() -> None:
    view = json.loads(view_state(SWEEP_ID, ["learning_rate"], ["test/accuracy"]))
    assert view["searchFilter"] == "tags.`swath.sweep_id` = '0123456789ab' AND tags.`swath.kind` = 'run'"
    assert view["selectedColumns"] == ["metrics.`test/accuracy`", "params.`learning_rate`"]


def test_view_shows_fields_that_span_decades_as_logarithms() -> None:
    view = json.loads(
        view_state(SWEEP_ID, ["learning_rate", "batch_size", "seed"], ["test/accuracy"], "seed")
    )
    charts = {chart["uuid"]: chart for chart in view["compareRunCharts"]}
    scatters = [chart for chart in charts.values() if chart["type"] == "SCATTER"]
    assert [chart["xaxis"] for chart in scatters] == [
        {"key": "log10 learning_rate", "type": "PARAM"},
        {"key": "batch_size", "type": "PARAM"},
    ]
    assert {chart["yaxis"]["key"] for chart in scatters} == {"test/accuracy"}
    assert charts["answer-parallel"]["selectedParams"] == ["log10 learning_rate", "batch_size"]
    assert "params.`learning_rate`" in view["selectedColumns"], "the column shows the value itself"


def test_view_of_a_search_has_the_best_so_far_and_all_trials() -> None:
    metrics = ["validation/accuracy", "test/accuracy"]
    view = json.loads(view_state(SWEEP_ID, ["learning_rate", "batch_size"], metrics, is_search=True))
    assert view["searchFilter"] == (
        "tags.`swath.sweep_id` = '0123456789ab' AND tags.`swath.kind` != 'reproduction'"
    ), "the summary run has the metric"
    best, *others = view["compareRunCharts"]
    assert (best["type"], best["metricKey"], best["lineSmoothness"]) == ("LINE", "search/best", 0)
    (parallel,) = [chart for chart in others if chart["type"] == "PARALLEL"]
    assert parallel["selectedMetrics"] == ["validation/accuracy"], "the page leaves out runs without a value"
    assert sum(chart["type"] == "SCATTER" for chart in others) == 2


def test_view_with_several_seeds_shows_means_over_them() -> None:
    swept = ["learning_rate", "seed"]
    grouped = json.loads(view_state(SWEEP_ID, swept, ["test/accuracy"], "seed"))["groupBy"]
    assert grouped == {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": "learning_rate"}],
    }
    assert json.loads(view_state(SWEEP_ID, swept, ["test/accuracy"]))["groupBy"] is None
    assert json.loads(view_state(SWEEP_ID, ["seed"], ["test/accuracy"], "seed"))["groupBy"] is None


def test_view_lists_the_best_run_first() -> None:
    view = json.loads(view_state(SWEEP_ID, [], ["validation/accuracy", "test/accuracy"]))
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`validation/accuracy`", False)


@pytest.mark.parametrize(
    "page", [runs_page("7", SWEEP_ID), filtered_page("7", name_filter("grid")), run_page("7", "abc")]
)
def test_every_page_is_one_of_a_machine_learning_experiment(page: str) -> None:
    path, _, query = page.partition("?")
    assert path.startswith("#/experiments/7/runs")
    assert "workflowType=machine_learning" in query.split("&")


def test_pages_of_several_runs_are_tables() -> None:
    for page in (runs_page("7", SWEEP_ID), filtered_page("7", name_filter("grid"))):
        assert "compareRunsMode=TABLE" in page.partition("?")[2].split("&")


def test_page_of_a_filter_contains_the_filter() -> None:
    condition = name_filter("50% & more")
    query = dict(part.split("=", 1) for part in filtered_page("7", condition).partition("?")[2].split("&"))
    assert unquote(query["searchFilter"]) == condition


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


def test_line_of_a_page_has_the_command_only_if_no_server_runs() -> None:
    assert PageServer("http://host:1", "mlflow ui").line("See it", "#/x") == (
        "See it: mlflow ui, then http://host:1/#/x"
    )
    assert PageServer("http://host:1", "").line("Report", "#/x") == "Report: http://host:1/#/x"


@pytest.mark.usefixtures("no_server")
def test_server_of_the_default_store_needs_no_options() -> None:
    assert page_server("sqlite:///mlflow.db", "abc") == PageServer("http://127.0.0.1:5000", "mlflow ui")
    same = f"sqlite:///{Path.cwd()}/mlflow.db"
    assert page_server(same, "abc") == PageServer("http://127.0.0.1:5000", "mlflow ui")


@pytest.mark.usefixtures("no_server")
def test_address_of_another_store_is_quoted_for_the_shell() -> None:
    assert page_server("sqlite:////a b/x.db", "abc").start == (
        "mlflow ui --backend-store-uri 'sqlite:////a b/x.db'"
    )
    assert compare_command("sqlite:////a b/x.db", SWEEP_ID) == (
        f"swath-compare {SWEEP_ID} --uri 'sqlite:////a b/x.db'"
    )


@pytest.mark.usefixtures("no_server")
def test_default_store_beside_a_file_store_is_named() -> None:
    """MLflow prefers a file store in `mlruns` to a database."""
    (Path("mlruns") / "0").mkdir(parents=True)
    (Path("mlruns") / "0" / "meta.yaml").touch()
    assert page_server("sqlite:///mlflow.db", "abc").start.endswith(
        " --backend-store-uri sqlite:///mlflow.db"
    )


@pytest.mark.usefixtures("no_server")
def test_store_that_the_environment_names_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host")
    assert compare_command("http://me:***@host", SWEEP_ID) == f"swath-compare {SWEEP_ID}"
    assert compare_command("sqlite:///mlflow.db", SWEEP_ID).endswith(" --uri sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/other.db")
    assert compare_command("sqlite:///other.db", SWEEP_ID) == f"swath-compare {SWEEP_ID}"


@pytest.mark.usefixtures("no_server")
def test_mlflow_ui_reads_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///tracked.db")
    assert page_server("sqlite:///mlflow.db", "abc").start == "mlflow ui"
    assert page_server("sqlite:///tracked.db", "abc").start.endswith(" sqlite:///tracked.db")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///shown.db")
    assert page_server("sqlite:///mlflow.db", "abc").start.endswith(" sqlite:///mlflow.db")
    assert page_server("sqlite:///shown.db", "abc").start == "mlflow ui"


@pytest.mark.usefixtures("no_server")
def test_tracking_server_is_its_own_page_server() -> None:
    assert page_server("https://host/mlflow/", "abc") == PageServer("https://host/mlflow", "")


def test_command_that_is_not_on_path_is_named_by_its_quoted_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("swath.tracking.ui_urls.shutil.which", lambda name: None)
    place = tmp_path / "my env" / "bin"
    place.mkdir(parents=True)
    (place / "mlflow").touch()
    monkeypatch.setattr(sys, "executable", str(place / "python"))
    assert command("mlflow") == f"'{place}/mlflow'"
    monkeypatch.chdir(tmp_path)
    assert command("mlflow") == "'my env/bin/mlflow'"
    assert command("no-such-command") == "no-such-command"
