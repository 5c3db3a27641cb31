"""Addresses of MLflow's pages, and what to type to see them."""

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
from swath.tracking.database_file import database_file

MOST_COMPARED = 12
"""Runs on the compare page; its address has to stay one that can be copied."""


SECTIONS = ("grid", "validation", "test", "train", "runtime")
"""Sections of the page of charts, in this order; `grid` holds parallel coordinates."""


MOST_RUNS = 100
"""Runs that MLflow's page loads at once."""


IS_CONFIGURATION = f"tags.`{schema.KIND}` = 'run'"
"""The condition, in MLflow's language, that holds for runs of configurations only."""

RUN_NAME_COLUMN = "attributes.`Run Name`"


SHARED_VIEW_TAG = schema.SHARED_VIEW_PREFIX
"""The tag of an experiment in which MLflow's page keeps a view that an address names."""


def sweep_filter(sweep_id: str) -> str:
    """The condition, in MLflow's language, that holds for the configurations of a sweep only."""
    return f"tags.`{schema.SWEEP_ID}` = '{sweep_id}' AND {IS_CONFIGURATION}"


def runs_page(experiment_id: str, sweep_id: str) -> str:
    """The part behind the server's address: the runs of a sweep, as charts.

    Its view holds the filter: MLflow's page ignores the view where the address has a filter of its own.
    """
    return (
        f"#/experiments/{experiment_id}/runs?viewStateShareKey={sweep_id}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def filtered_page(experiment_id: str, condition: str) -> str:
    """The part behind the server's address: the runs for which a condition of MLflow's language holds."""
    return (
        f"#/experiments/{experiment_id}/runs?searchFilter={quote(condition, safe='')}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def name_filter(sweep: str) -> str:
    """The condition that holds for the configurations of all sweeps of a name."""
    mark = next((mark for mark in ("'", '"') if mark not in sweep), None)
    # There is no way to write both kinds of quotes; `_` stands for any character.
    is_it = f"= {mark}{sweep}{mark}" if mark else "LIKE '" + sweep.replace("'", "_") + "'"
    return f"tags.`{schema.SWEEP}` {is_it} AND {IS_CONFIGURATION}"


def run_page(experiment_id: str, run_id: str) -> str:
    """The part behind the server's address: one run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def compare_page(experiment_ids: Sequence[str], run_ids: Sequence[str]) -> str:
    """The part behind the server's address: parallel coordinates of runs, at most `MOST_COMPARED`."""
    runs = json.dumps(list(run_ids)[:MOST_COMPARED], separators=(",", ":"))
    experiments = json.dumps(list(experiment_ids), separators=(",", ":"))
    return f"#/compare-runs?runs={quote(runs, safe='')}&experiments={quote(experiments, safe='')}"


def view_state(sweep_id: str, swept: Sequence[str], metrics: Sequence[str]) -> str:
    """What the page of a sweep shows, as MLflow's page keeps it: the columns that vary, every run drawn.

    The page itself adds a chart for each metric, to the section with the name before its slash.

    Args:
      sweep_id: of the sweep.
      swept: params that become columns.
      metrics: metrics that become columns.
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
        "isAccordionReordered": True,  # sections stay in this order
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
    """The pages of a sweep: what each shows, and the part of its address behind the server's."""
    return [("its runs", runs_page(experiment_id, sweep_id)), *compare_url([experiment_id], best_first)]


def compare_url(experiment_ids: Sequence[str], best_first: Sequence[str]) -> list[tuple[str, str]]:
    """The page with the best runs side by side, as in `sweep_pages`; none for a single run."""
    if len(best_first) < 2:
        return []
    best = f"the best {min(len(best_first), MOST_COMPARED)} side by side"
    return [(best, compare_page(experiment_ids, best_first))]


HOST, PORT = "127.0.0.1", 5000
"""Where `mlflow ui` listens, unless $MLFLOW_PORT says otherwise."""


LAST_PORT = 65_535


PORTS_TRIED = 20


PATIENCE_S = 0.5


def ui_hints(uri: str, pages: Sequence[tuple[str, str]], run_id: str) -> list[str]:
    """The addresses of pages, behind the command that starts a server where none shows them.

    Args:
      uri: of the store, without its password.
      pages: of each, what it shows and the part of its address behind the server's.
      run_id: a run of the store, by which a server that shows it is recognised.
    """
    if uri.startswith(("http://", "https://")):
        return ["See it:", *_addresses(uri.rstrip("/"), pages)]
    usual = _usual_port()
    # Another store's server may be at the usual port, or, on macOS, something else altogether.
    ports = range(usual, min(usual + PORTS_TRIED, LAST_PORT + 1))
    port = next((port for port in ports if not _listens(port) or _shows(port, run_id)), usual)
    if _shows(port, run_id):
        return ["See it:", *_addresses(f"http://{HOST}:{port}", pages)]
    words = "" if _lies_here(uri) else f" --backend-store-uri {uri}"
    words += "" if port == usual else f" --port {port}"
    return [f"See it: {command('mlflow')} ui{words}", *_addresses(f"http://{HOST}:{port}", pages)]


def compare_command(uri: str, sweep_id: str) -> str:
    """What to type to see the ranking of a sweep.

    Args:
      uri: of the store, without its password.
      sweep_id: of the sweep.
    """
    chosen = os.environ.get("MLFLOW_TRACKING_URI")
    known = hide_password(chosen, chosen) == uri if chosen else _lies_here(uri)
    return f"{command('swath-compare')} {sweep_id}" + ("" if known else f" --uri {uri}")


def _lies_here(uri: str) -> bool:
    """Whether a store is the one that MLflow takes where nothing else is said."""
    file = database_file(uri)
    return file is not None and file.resolve() == Path("mlflow.db").resolve()


def _addresses(server: str, pages: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {what}: {server}/{page}" for what, page in pages]


def _usual_port() -> int:
    """Where `mlflow ui` will listen; what it cannot take is its own to complain about."""
    given = os.environ.get("MLFLOW_PORT", "")
    return int(given) if given.isdecimal() and 0 < int(given) <= LAST_PORT else PORT


def _listens(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as asking:
        asking.settimeout(PATIENCE_S)
        return asking.connect_ex((HOST, port)) == 0


def _shows(port: int, run_id: str) -> bool:
    """Whether a server listens there that knows the run."""
    try:
        with urlopen(
            f"http://{HOST}:{port}/ajax-api/2.0/mlflow/runs/get?run_id={run_id}", timeout=PATIENCE_S
        ) as reply:
            return bool(json.load(reply)["run"]["info"]["run_id"] == run_id)
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return False


def command(name: str) -> str:
    """What to type to start a command of this environment: its name, or its path where it is not on PATH."""
    if shutil.which(name):
        return name
    beside = Path(sys.executable).parent / name
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)
