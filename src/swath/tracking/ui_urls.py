"""Addresses of MLflow's pages, and the commands that show them."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from swath.system import hide_password
from swath.tracking import schema
from swath.tracking.mlflow_setup import DEFAULT_FILE, TRACKING_VARIABLE, database_file, has_file_store
from swath.tracking.records import is_server

MOST_COMPARED = 12
"""Most runs on the compare page, because its address lists all of them."""


SECTIONS = ("grid", "validation", "test", "train", "runtime")
"""Sections of the page of charts, in this order; `grid` holds parallel coordinates."""


MOST_RUNS = 100
"""Runs that MLflow's page loads at a time."""


IS_CONFIGURATION = f"tags.`{schema.KIND}` = 'run'"
"""Filter of MLflow for the runs of configurations."""

RUN_NAME_COLUMN = "attributes.`Run Name`"


def sweep_filter(sweep_id: str) -> str:
    """Filter of MLflow for the runs of a sweep's configurations."""
    return f"tags.`{schema.SWEEP_ID}` = '{sweep_id}' AND {IS_CONFIGURATION}"


def runs_page(experiment_id: str, sweep_id: str) -> str:
    """Path of the page with the runs of a sweep as charts.

    The shared view contains the filter: MLflow's page ignores the view if the address has a filter.
    """
    return (
        f"#/experiments/{experiment_id}/runs?viewStateShareKey={sweep_id}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def filtered_page(experiment_id: str, condition: str) -> str:
    """Path of the page with the runs that match a filter of MLflow."""
    return (
        f"#/experiments/{experiment_id}/runs?searchFilter={quote(condition, safe='')}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def name_filter(sweep: str) -> str:
    """Filter of MLflow for the configurations of all sweeps with a name."""
    quotes = next((mark for mark in ("'", '"') if mark not in sweep), None)
    # MLflow cannot express both kinds of quotes; `_` matches any character.
    match = f"= {quotes}{sweep}{quotes}" if quotes else "LIKE '" + sweep.replace("'", "_") + "'"
    return f"tags.`{schema.SWEEP}` {match} AND {IS_CONFIGURATION}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Path of the page of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def compare_page(experiment_ids: Sequence[str], run_ids: Sequence[str]) -> str:
    """Path of the page with parallel coordinates of the first `MOST_COMPARED` runs."""
    runs = json.dumps(list(run_ids)[:MOST_COMPARED], separators=(",", ":"))
    experiments = json.dumps(list(experiment_ids), separators=(",", ":"))
    return f"#/compare-runs?runs={quote(runs, safe='')}&experiments={quote(experiments, safe='')}"


def view_state(sweep_id: str, swept: Sequence[str], metrics: Sequence[str]) -> str:
    """View state of a sweep's page, as JSON in MLflow's form.

    The page adds a chart for each metric, in the section named by the part before the slash.

    Args:
      sweep_id: id of the sweep.
      swept: params shown as columns.
      metrics: metrics shown as columns.
    """
    columns = [f"params.`{field}`" for field in swept] + [f"metrics.`{name}`" for name in metrics]
    widths = (
        {RUN_NAME_COLUMN: 370} | dict.fromkeys(columns, 140) | {"runDateAndNestInfo": 150, "duration": 90}
    )
    view = {
        "searchFilter": sweep_filter(sweep_id),
        "orderByKey": f"metrics.`{metrics[0]}`" if metrics else "attributes.start_time",
        "orderByAsc": False,
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # keep the order of the sections
        "compareRunSections": [_section(name) for name in SECTIONS],
        "compareRunCharts": [_parallel_coordinates(swept, metrics)] if swept else [],
    }
    return json.dumps(view)


def _section(name: str) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": name,
        "display": True,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
        "columns": 1 if name == "grid" else 2,
    }


def _parallel_coordinates(swept: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "uuid": "grid-parallel",
        "type": "PARALLEL",
        "metricSectionId": "grid",
        "runsCountToCompare": MOST_RUNS,
        "deleted": False,
        "isGenerated": False,
        "showAllRuns": True,
        "selectedParams": list(swept),
        "selectedMetrics": list(metrics),
    }


def sweep_pages(experiment_id: str, sweep_id: str, best_first: Sequence[str]) -> list[tuple[str, str]]:
    """The pages of a sweep: label and path of each."""
    return [("its runs", runs_page(experiment_id, sweep_id)), *compare_url([experiment_id], best_first)]


def compare_url(experiment_ids: Sequence[str], best_first: Sequence[str]) -> list[tuple[str, str]]:
    """Label and path of the page that compares the best runs; empty for fewer than two runs."""
    if len(best_first) < 2:
        return []
    best = f"the best {min(len(best_first), MOST_COMPARED)} side by side"
    return [(best, compare_page(experiment_ids, best_first))]


HOST, PORT = "127.0.0.1", 5000
"""Default address of `mlflow ui`; $MLFLOW_PORT sets another port."""


LAST_PORT = 65_535


PORTS_TRIED = 20


TIMEOUT_S = 0.5


def ui_hints(uri: str, pages: Sequence[tuple[str, str]], run_id: str) -> list[str]:
    """Lines with the addresses of pages, and the command that starts a server if none is running.

    Args:
      uri: address of the store without passwords; empty if nothing is stored.
      pages: label and path of each page.
      run_id: a run of the store, which identifies a server that shows this store.
    """
    if not uri:
        return []
    if is_server(uri):
        return ["See it:", *_addresses(uri.rstrip("/"), pages)]
    usual = _usual_port()
    # Another store's server may use the default port, or, on macOS, another program.
    ports = range(usual, min(usual + PORTS_TRIED, LAST_PORT + 1))
    port = next((port for port in ports if not _listens(port) or _shows(port, run_id)), usual)
    if _shows(port, run_id):
        return ["See it:", *_addresses(f"http://{HOST}:{port}", pages)]
    options = "" if _is_default(uri) else f" --backend-store-uri {uri}"
    options += "" if port == usual else f" --port {port}"
    return [f"See it: {command('mlflow')} ui{options}", *_addresses(f"http://{HOST}:{port}", pages)]


def compare_command(uri: str, sweep_id: str) -> str:
    """The command that shows the ranking of a sweep.

    Args:
      uri: address of the store without passwords.
      sweep_id: id of the sweep.
    """
    chosen = os.environ.get(TRACKING_VARIABLE)
    known = hide_password(chosen, chosen) == uri if chosen else _is_default(uri)
    return f"{command('swath-compare')} {sweep_id}" + ("" if known else f" --uri {uri}")


def _is_default(uri: str) -> bool:
    """Whether a store is MLflow's default in the working folder."""
    file = database_file(uri)
    return file is not None and file.resolve() == Path(DEFAULT_FILE).resolve() and not has_file_store()


def _addresses(server: str, pages: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {label}: {server}/{path}" for label, path in pages]


def _usual_port() -> int:
    """The port that `mlflow ui` uses; `mlflow ui` itself reports an invalid one."""
    given = os.environ.get("MLFLOW_PORT", "")
    return int(given) if given.isdecimal() and 0 < int(given) <= LAST_PORT else PORT


def _listens(port: int) -> bool:
    """Whether a program listens on a port of this machine."""
    with socket.socket() as client:
        client.settimeout(TIMEOUT_S)
        return client.connect_ex((HOST, port)) == 0


def _shows(port: int, run_id: str) -> bool:
    """Whether a server on a port of this machine has the run."""
    try:
        with urlopen(
            f"http://{HOST}:{port}/ajax-api/2.0/mlflow/runs/get?run_id={run_id}", timeout=TIMEOUT_S
        ) as reply:
            return bool(json.load(reply)["run"]["info"]["run_id"] == run_id)
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return False


def command(name: str) -> str:
    """A command of this environment as it is typed: its name, or its path if it is not on PATH."""
    if shutil.which(name):
        return name
    beside = Path(sys.executable).parent / name
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)
