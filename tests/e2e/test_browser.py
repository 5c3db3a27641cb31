"""The addresses that swath prints, opened in a real browser on a real `mlflow ui`.

$SWATH_SCREENSHOTS names a folder for screenshots of the pages; `make screenshots` sets it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath, swath_compare
from support.server import free_port, mlflow_server

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; on Debian: apt-get install chromium")

PORT = free_port()
PRINTED_ADDRESS = f"http://127.0.0.1:{PORT}"
SWEEP = ("-cn", "quickstart", "max_steps=60,120")
OTHER_SWEEP = ("-m", "data=digits", "learning_rate=1e-7,1e-6", "max_steps=20", "batch_size=20")
SINGLE = ("data=digits", "max_steps=20")
SINGLE_VALUES = {
    *(f"{split}/{kind}" for split in ("validation", "test") for kind in ("accuracy", "loss")),
    *(f"runtime/{part}_s" for part in ("train", "evaluate", "track", "total", "group")),
    "runtime/lanes",
}
TIMEOUT_MS = 60_000

NO_ASSISTANT = """
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
"""
"""MLflow's assistant panel covers the charts on a first visit; this hides it."""

CARDS = "[data-testid=experiment-view-compare-runs-card]"
CHARTS = f"""() => [...document.querySelectorAll("{CARDS}")].map(card => ({{
  title: card.innerText.split("\\n")[0],
  traces: [...card.querySelectorAll(".js-plotly-plot")].flatMap(plot => plot.data).map(trace => ({{
    type: trace.type, name: trace.name, uuid: trace.uuid, metric: trace.metricKey,
    x: Array.from(trace.x || []), bars: Array.from(trace.y || []).length,
  }})),
}}))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two sweeps in one experiment, and a single run."""
    folder = tmp_path_factory.mktemp("browser")
    for name, arguments in {"other": OTHER_SWEEP, "sweep": SWEEP, "single": SINGLE}.items():
        done = swath(folder, *arguments, SWATH_POSTPROCESS="wait", MLFLOW_PORT=str(PORT))
        assert done.returncode == 0, done.stderr
        (folder / f"{name}.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def run_ids(folder: Path) -> list[str]:
    """Run ids of the sweep with 12 runs, best first."""
    runs = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(
        ["1"],
        f"tags.`swath.sweep_id` = '{sweep_id(folder)}' AND {IS_CONFIGURATION}",
        order_by=["metrics.`validation/accuracy` DESC"],
    )
    assert len(runs) == 12
    return [run.info.run_id for run in runs]


def sweep_id(folder: Path) -> str:
    found = re.search(r"sweep quickstart, id (\w+)", printed_output(folder))
    assert found is not None
    return found[1]


def printed_output(folder: Path) -> str:
    return (folder / "sweep.txt").read_text()


def address_of(what: str, text: str) -> str:
    found = re.search(rf"^  {what}: ({PRINTED_ADDRESS}/\S+)$", text, flags=re.MULTILINE)
    assert found is not None, text
    return found[1].removeprefix(PRINTED_ADDRESS)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """`mlflow ui` at the printed port, with one worker."""
    with mlflow_server(folder, PORT, "/health", "ui", "--workers", "1") as address:
        assert address == PRINTED_ADDRESS
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A new browser session, with a window high enough to render everything without scrolling."""
    context = browser.new_context(viewport={"width": 1500, "height": 4200})
    context.add_init_script(NO_ASSISTANT)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def save_screenshot(page: Any, name: str, height: int) -> None:
    """Save a screenshot of the page if $SWATH_SCREENSHOTS is set."""
    if folder := os.environ.get("SWATH_SCREENSHOTS"):
        page.set_viewport_size({"width": 1500, "height": height})
        page.wait_for_timeout(2_000)
        page.screenshot(path=Path(folder) / f"{name}.png")


def runs_in_the_table(page: Any) -> list[str]:
    links = page.locator(".ag-row a[href*='/runs/']")
    links.first.wait_for()
    return [str(link.get_attribute("href")).rsplit("/", 1)[1] for link in links.all()]


def charts(page: Any) -> dict[str, list[dict[str, Any]]]:
    """The traces of every chart by title, once all charts are drawn."""
    page.wait_for_function(
        f"""() => {{ const cards = ({CHARTS})();
            return cards.length >= {len(SINGLE_VALUES) + 3}
                && cards.every(card => card.traces.length > 0 || card.title.startsWith("Parallel"));
        }}"""
    )
    return {card["title"]: card["traces"] for card in page.evaluate(CHARTS)}


def test_runs_page_shows_only_this_sweep_with_the_best_run_first(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    page.goto(server + address_of("its runs", printed_output(folder)))
    page.get_by_text("12 matching runs").wait_for()
    assert sorted(runs_in_the_table(page)) == sorted(run_ids)
    assert runs_in_the_table(page)[0] == run_ids[0]
    assert page.get_by_text("Sweeps made by swath.").is_visible()
    save_screenshot(page, "mlflow-runs", 1500)


def test_step_metrics_are_line_charts_and_single_values_are_bar_charts(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    page.goto(server + address_of("its runs", printed_output(folder)))
    drawn = charts(page)
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    for metric in ("train/accuracy", "train/loss"):
        lines = {trace["uuid"]: trace for trace in drawn[metric] if trace["metric"] == metric and trace["x"]}
        assert set(lines) == set(run_ids)
        for run_id, line in lines.items():
            assert line["type"] == "scatter"
            steps = int(client.get_run(run_id).data.params["max_steps"])
            assert [int(step) for step in line["x"]] == list(range(steps))
    for metric in SINGLE_VALUES:
        (bars,) = drawn[metric]
        assert bars["type"] == "bar"
        assert bars["bars"] == 12
    assert set(drawn) == {"Parallel Coordinates", "train/accuracy", "train/loss", *SINGLE_VALUES}


def test_runs_table_has_columns_for_swept_fields_and_accuracies(page: Any, server: str, folder: Path) -> None:
    address = address_of("its runs", printed_output(folder)).replace("=CHART", "=TABLE")
    page.goto(server + address)
    page.locator(".ag-header-cell", has_text="learning_rate").wait_for()
    cells = page.locator(".ag-header-cell").all()
    # Cells are in the order of their creation; their column index gives the order on the screen.
    cells.sort(key=lambda cell: int(str(cell.get_attribute("aria-colindex"))))
    columns = [cell.inner_text() for cell in cells]
    fields = ["batch_size", "learning_rate", "max_steps", "validation/accuracy", "test/accuracy"]
    assert [column for column in columns if column not in ("", "Run Name", "Created", "Duration")] == fields


def test_best_run_page_shows_weight_image_and_model(page: Any, server: str, folder: Path) -> None:
    summary = summary_run(folder)
    best = summary.data.tags["swath.best_run_id"]
    page.goto(f"{server}/#/experiments/1/runs/{best}/artifacts")
    page.get_by_text("weights.png", exact=True).click()
    picture = page.locator("img[src^='blob:'], .image-outer-container img, img[src*='weights.png']").first
    picture.wait_for()
    page.wait_for_function("image => image.naturalWidth > 100", arg=picture.element_handle())
    page.get_by_text("model", exact=True).click()
    page.get_by_text("MLmodel", exact=True).wait_for()
    page.goto(f"{server}/#/experiments/1/runs/{summary.info.run_id}/artifacts")
    for name in ("ranking.csv", "accuracy.png", "learning_curves.png", "weights.png", "confusion.png"):
        page.get_by_text(name, exact=True).wait_for()


def summary_run(folder: Path) -> Any:
    condition = f"tags.`swath.sweep_id` = '{sweep_id(folder)}' AND tags.`swath.kind` = 'sweep'"
    (summary,) = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"], condition)
    return summary


def test_summary_run_page_shows_the_question_and_results_of_the_sweep(
    page: Any, server: str, folder: Path
) -> None:
    page.goto(f"{server}/#/experiments/1/runs/{summary_run(folder).info.run_id}")
    page.get_by_text("Does swath work here").first.wait_for()
    for text in (
        "12 of 12 finished",
        "Best by validation/accuracy",
        "max_steps=60,120",
        "swath -cn quickstart",
    ):
        assert page.get_by_text(text).first.is_visible()


def test_compare_command_prints_the_same_addresses_as_swath(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    done = swath_compare(folder, sweep_id(folder), "--ui", MLFLOW_PORT=str(PORT))
    assert address_of("its runs", done.stderr) == address_of("its runs", printed_output(folder))
    assert "mlflow ui" not in done.stderr, "a server is there already"
