"""The addresses that swath prints, opened in a real browser on a real `mlflow ui`.

$SWATH_SCREENSHOTS names a folder for screenshots of the pages; `make screenshots` sets it.
"""

import math
import os
import re
import shutil
import signal
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
OTHER_SWEEP = ("-m", "data=digits", "learning_rate=1e-7,1e-6", "seed=0,1,2", "max_steps=20", "batch_size=20")
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
    colour: (trace.line || {{}}).color || (trace.marker || {{}}).color || "",
    x: Array.from(trace.x || []), bars: Array.from(trace.y || []).length,
  }})),
}}))"""


AXES = f"""() => Object.fromEntries([...document.querySelectorAll("{CARDS}")].flatMap(card =>
  [...card.querySelectorAll(".js-plotly-plot")].filter(plot => plot.layout.yaxis).map(plot =>
    [card.innerText.split("\\n")[0], plot.layout.yaxis.type])))"""
"""Type of the vertical axis of every chart by title."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two sweeps in one experiment, and a single run."""
    folder = tmp_path_factory.mktemp("browser")
    for name, arguments in {"other": OTHER_SWEEP, "sweep": SWEEP, "single": SINGLE}.items():
        done = swath(folder, *arguments, SWATH_POSTPROCESS="wait", MLFLOW_PORT=str(PORT))
        assert done.returncode == 0, done.stderr
        (folder / f"{name}.txt").write_text(done.stderr)
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
    found = re.search(rf"^{what}: .*({PRINTED_ADDRESS}/\S+)$", text, flags=re.MULTILINE)
    assert found is not None, text
    return found[1].removeprefix(PRINTED_ADDRESS)


def charts_address(text: str) -> str:
    return address_of("See it", text).replace("=TABLE", "=CHART")


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
    return [str(link.get_attribute("href")).rsplit("/", 1)[1].split("?")[0] for link in links.all()]


def columns_of(page: Any) -> list[str]:
    """Headings of the table, from left to right."""
    page.locator(".ag-header-cell", has_text="learning_rate").wait_for()
    cells = page.locator(".ag-header-cell").all()
    # Cells are in the order of their creation; their column index gives the order on the screen.
    cells.sort(key=lambda cell: int(str(cell.get_attribute("aria-colindex"))))
    return [cell.inner_text() for cell in cells]


def charts(page: Any, least: int) -> dict[str, list[dict[str, Any]]]:
    """The traces of every chart by title, once at least so many charts are drawn."""
    page.wait_for_function(
        f"""() => {{ const cards = ({CHARTS})();
            return cards.length >= {least}
                && cards.every(card => card.traces.length > 0 || card.title.startsWith("Parallel"));
        }}"""
    )
    return {card["title"]: card["traces"] for card in page.evaluate(CHARTS)}


def test_the_printed_address_shows_the_ranked_table_of_this_sweep_only(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    page.set_viewport_size({"width": 1500, "height": 1500})
    page.goto(server + address_of("See it", printed_output(folder)))
    page.get_by_text("12 matching runs").wait_for()
    assert sorted(runs_in_the_table(page)) == sorted(run_ids)
    assert runs_in_the_table(page)[0] == run_ids[0]
    shown = [column for column in columns_of(page) if column not in ("", "Run Name", "Created", "Duration")]
    assert shown == ["validation/accuracy", "test/accuracy", "batch_size", "learning_rate", "max_steps"]
    assert page.get_by_text("Sweeps made by swath.").is_visible()
    assert page.get_by_text("Evaluation runs").count() == 0, "the menu for language models"
    best = MlflowClient(f"sqlite:///{folder}/mlflow.db").get_run(run_ids[0]).data.params
    values = f"{best['batch_size']} {best['learning_rate']} {best['max_steps']}"
    assert page.locator(".ag-row a[href*='/runs/']").first.inner_text().startswith(values)
    save_screenshot(page, "mlflow-table", 900)


def test_charts_show_accuracy_over_each_field_and_smoothed_curves(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    page.goto(server + charts_address(printed_output(folder)))
    fields = ("batch_size", "log10 learning_rate", "max_steps")
    scatters = {f"{field} vs. validation/accuracy" for field in fields}
    lines = {"train/accuracy", "train/loss"}
    evaluated = {name for name in SINGLE_VALUES if not name.startswith("runtime/")}
    drawn = charts(page, len(scatters | lines | evaluated) + 1)
    assert set(drawn) == {*scatters, "Parallel Coordinates", *lines, *evaluated}, "runtimes are folded"
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = {run_id: client.get_run(run_id).data for run_id in run_ids}
    rates = sorted(math.log10(float(run.params["learning_rate"])) for run in runs.values())
    positions = sorted(
        float(x) for trace in drawn["log10 learning_rate vs. validation/accuracy"] for x in trace["x"]
    )
    assert positions == pytest.approx(rates, abs=1e-5)
    for metric in lines:
        curves = {trace["uuid"]: trace for trace in drawn[metric] if trace["metric"] == metric and trace["x"]}
        assert set(curves) == set(run_ids)
        for run_id, line in curves.items():
            assert [int(step) for step in line["x"]] == list(range(int(runs[run_id].params["max_steps"])))
    axes = page.evaluate(AXES)
    assert axes["train/loss"] == "log"
    assert axes["train/accuracy"] == "linear"
    save_screenshot(page, "mlflow-charts", 1500)


def test_runs_have_the_colour_of_the_field_that_explains_most(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = [client.get_run(run_id).data for run_id in run_ids]
    fields = ("batch_size", "learning_rate", "max_steps")
    by_field = {
        field: {
            value: {run.tags["mlflow.runColor"] for run in runs if run.params[field] == value}
            for value in {run.params[field] for run in runs}
        }
        for field in fields
    }
    (explains,) = [
        field for field, colours in by_field.items() if all(len(found) == 1 for found in colours.values())
    ]
    page.goto(server + charts_address(printed_output(folder)))
    drawn = charts(page, 10)
    colours = {
        trace["uuid"]: trace["colour"] for trace in drawn["train/loss"] if trace["colour"] and trace["uuid"]
    }
    for run_id, run in zip(run_ids, runs, strict=True):
        assert colours[run_id][:7].lower() == run.tags["mlflow.runColor"], explains  # the rest is opacity


def test_seeds_are_averaged_by_the_page(page: Any, server: str, folder: Path) -> None:
    text = (folder / "other.txt").read_text()
    page.goto(server + address_of("See it", text))
    page.get_by_text("6 matching runs").wait_for()
    for rate in ("1e-07", "1e-06"):
        page.get_by_text(f"Group: {rate}").wait_for()
    page.goto(server + charts_address(text))
    drawn = charts(page, 5)
    points = [trace for trace in drawn["log10 learning_rate vs. test/accuracy"] if trace["x"]]
    assert sum(len(trace["x"]) for trace in points) == 2


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
    names = [
        "report.html",
        *(f"sweep-{name}" for name in ("accuracy.png", "confusion.png", "manifest.json", "ranking.csv")),
    ]
    tops = []
    for name in names:
        page.get_by_text(name, exact=True).wait_for()
        tops.append(page.get_by_text(name, exact=True).bounding_box()["y"])
    assert tops == sorted(tops), "the report is the first in the list"


def summary_run(folder: Path) -> Any:
    condition = f"tags.`swath.sweep_id` = '{sweep_id(folder)}' AND tags.`swath.kind` = 'sweep'"
    (summary,) = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"], condition)
    return summary


def test_summary_run_page_shows_the_question_and_results_of_the_sweep(
    page: Any, server: str, folder: Path
) -> None:
    done = swath_compare(folder, sweep_id(folder), "--ui", MLFLOW_PORT=str(PORT))
    page.goto(server + address_of("Report", done.stderr))
    page.get_by_text("Does swath work here").first.wait_for()
    for text in (
        "12 of 12 finished",
        "Best: batch_size=",
        "max_steps=60,120",
        "swath -cn quickstart",
    ):
        assert page.get_by_text(text).first.is_visible()
    for tag in ("swath.pid", "swath.tracker_pid_start", "swath.intra_op_threads"):
        assert page.get_by_text(tag, exact=True).count() == 0, "a tag for programs"
    assert page.get_by_text("swath.best_run_id").first.is_visible()


def test_compare_command_prints_the_same_address_as_swath(
    page: Any, server: str, folder: Path, run_ids: list[str]
) -> None:
    done = swath_compare(folder, sweep_id(folder), "--ui", MLFLOW_PORT=str(PORT))
    assert address_of("See it", done.stderr) == address_of("See it", printed_output(folder))
    assert "mlflow ui" not in done.stderr, "a server is there already"


@pytest.mark.parametrize("width", [1440, 400])
def test_report_opens_without_a_network_and_fits_the_screen(
    width: int, browser: Any, folder: Path, tmp_path: Path, run_ids: list[str]
) -> None:
    report = tmp_path / "report.html"
    done = swath_compare(folder, sweep_id(folder), "--report", str(report))
    assert done.returncode == 0, done.stderr
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert all(url.startswith(("file:", "data:")) for url in requests)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".answer p").first.inner_text().startswith("Best: ")
    assert run_ids[0][:8] in page.locator(".answer").inner_text()
    assert page.locator("tbody tr").count() == 12
    images = page.locator("img").all()
    assert len(images) >= 5
    assert all(image.evaluate("image => image.complete && image.naturalWidth > 100") for image in images)
    assert page.get_by_text("swath -cn quickstart").first.is_visible()
    context.close()


def test_open_starts_a_server_that_shows_the_sweep(page: Any, folder: Path) -> None:
    port = free_port()
    done = swath_compare(folder, sweep_id(folder), "--open", MLFLOW_PORT=str(port), DISPLAY="", BROWSER="")
    assert done.returncode == 0, done.stderr
    started = re.search(r"kill (\d+)$", done.stderr, flags=re.MULTILINE)
    assert started is not None, done.stderr
    try:
        found = re.search(r"^See it: (http\S+)$", done.stderr, flags=re.MULTILINE)
        assert found is not None, done.stderr
        page.goto(found[1])
        page.get_by_text("12 matching runs").wait_for()
    finally:
        os.killpg(int(started[1]), signal.SIGTERM)
