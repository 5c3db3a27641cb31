"""Addresses of MLflow's pages, and the commands that show them."""

import json
import os
import shlex
import shutil
import socket
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from swath.system import hide_password
from swath.tracking import schema
from swath.tracking.address import TRACKING_VARIABLE, is_server
from swath.tracking.mlflow_setup import DEFAULT_FILE, database_file, has_file_store

WORKFLOW = "workflowType=machine_learning"
"""Part of every address: without it, MLflow's page shows its menu for language models."""


IS_CONFIGURATION = f"tags.`{schema.KIND}` = 'run'"
"""Filter of MLflow for the runs of configurations."""


def sweep_filter(sweep_id: str) -> str:
    """Filter of MLflow for the runs of a sweep's configurations."""
    return f"tags.`{schema.SWEEP_ID}` = '{sweep_id}' AND {IS_CONFIGURATION}"


def search_filter(sweep_id: str) -> str:
    """Filter of MLflow for the runs of a search, and its summary run, which has the metrics by trial."""
    return f"tags.`{schema.SWEEP_ID}` = '{sweep_id}' AND tags.`{schema.KIND}` != 'reproduction'"


def runs_page(experiment_id: str, sweep_id: str) -> str:
    """Path of the page with the ranked table of a sweep's runs.

    The shared view contains the filter: MLflow's page ignores the view if the address has a filter.
    """
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={sweep_id}&compareRunsMode=TABLE&{WORKFLOW}"


def filtered_page(experiment_id: str, condition: str) -> str:
    """Path of the page with the runs that match a filter of MLflow."""
    return (
        f"#/experiments/{experiment_id}/runs?searchFilter={quote(condition, safe='')}"
        f"&compareRunsMode=TABLE&{WORKFLOW}"
    )


def name_filter(sweep: str) -> str:
    """Filter of MLflow for the configurations of all sweeps with a name."""
    quotes = next((mark for mark in ("'", '"') if mark not in sweep), None)
    # MLflow cannot express both kinds of quotes; `_` matches any character.
    match = f"= {quotes}{sweep}{quotes}" if quotes else "LIKE '" + sweep.replace("'", "_") + "'"
    return f"tags.`{schema.SWEEP}` {match} AND {IS_CONFIGURATION}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Path of the page of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{WORKFLOW}"


HOST, PORT = "127.0.0.1", 5000
"""Default address of `mlflow ui`; $MLFLOW_PORT sets another port."""


LAST_PORT = 65_535


PORTS_TRIED = 20

BACKEND_VARIABLE = "MLFLOW_BACKEND_STORE_URI"
"""Variable by which `mlflow ui` chooses its store; it does not read $MLFLOW_TRACKING_URI."""


TIMEOUT_S = 0.5


@dataclass(frozen=True)
class PageServer:
    """The server that shows the pages of a store.

    Attributes:
      address: `http://HOST:PORT`, without a slash at the end.
      start: command that starts it; empty if it is running.
    """

    address: str
    start: str

    def line(self, label: str, page: str) -> str:
        """A line with the address of a page, and with the command that starts the server."""
        first = f"{self.start}, then " if self.start else ""
        return f"{label}: {first}{self.address}/{page}"


def page_server(uri: str, run_id: str) -> PageServer:
    """The server that shows a store: the running one, or the one that the given command would start.

    Args:
      uri: address of the store without passwords.
      run_id: a run of the store, which identifies a server that shows this store.
    """
    if is_server(uri):
        return PageServer(uri.rstrip("/"), "")
    usual = _usual_port()
    # Another store's server may use the default port, or, on macOS, another program.
    ports = range(usual, min(usual + PORTS_TRIED, LAST_PORT + 1))
    port = next((port for port in ports if not _listens(port) or _shows(port, run_id)), usual)
    address = f"http://{HOST}:{port}"
    if _shows(port, run_id):
        return PageServer(address, "")
    options = "" if _is_default(uri, BACKEND_VARIABLE) else f" --backend-store-uri {shlex.quote(uri)}"
    options += "" if port == usual else f" --port {port}"
    return PageServer(address, f"{command('mlflow')} ui{options}")


def compare_command(uri: str, sweep_id: str) -> str:
    """The command that shows the ranking of a sweep.

    Args:
      uri: address of the store without passwords.
      sweep_id: id of the sweep.
    """
    return f"{command('swath-compare')} {sweep_id}{uri_option(uri)}"


def uri_option(uri: str) -> str:
    """The option that tells swath's commands the address of a store; empty if they find it without.

    Args:
      uri: address of the store without passwords.
    """
    return "" if _is_default(uri, TRACKING_VARIABLE) else f" --uri {shlex.quote(uri)}"


def _is_default(uri: str, variable: str) -> bool:
    """Whether a command finds a store without an option.

    Args:
      uri: address of the store without passwords.
      variable: environment variable by which the command chooses another store than MLflow's default.
    """
    file = database_file(uri)
    if chosen := os.environ.get(variable):
        named = database_file(chosen)
        same_file = file is not None and named is not None and file.resolve() == named.resolve()
        return same_file or hide_password(chosen, chosen) == uri
    return file is not None and file.resolve() == Path(DEFAULT_FILE).resolve() and not has_file_store()


def _usual_port() -> int:
    """The port that `mlflow ui` uses; `mlflow ui` itself reports an invalid one."""
    given = os.environ.get("MLFLOW_PORT", "")
    return int(given) if given.isdecimal() and 0 < int(given) <= LAST_PORT else PORT


_opener = build_opener(ProxyHandler({}))
"""Opens addresses of this machine, never through a proxy."""


def _listens(port: int) -> bool:
    """Whether a program listens on a port of this machine."""
    with socket.socket() as client:
        client.settimeout(TIMEOUT_S)
        return client.connect_ex((HOST, port)) == 0


def _shows(port: int, run_id: str) -> bool:
    """Whether a server on a port of this machine has the run."""
    try:
        with _opener.open(
            f"http://{HOST}:{port}/ajax-api/2.0/mlflow/runs/get?run_id={run_id}", timeout=TIMEOUT_S
        ) as reply:
            return bool(json.load(reply)["run"]["info"]["run_id"] == run_id)
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return False


def command(name: str) -> str:
    """A command of this environment as it is typed in a shell: its name, or its path if it is not on PATH."""
    if shutil.which(name):
        return name
    folders = (
        Path(sys.executable).parent,
        *(Path(sysconfig.get_path("scripts", scheme)) for scheme in _SCHEMES),
    )
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        return name
    return shlex.quote(str(found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found))


_SCHEMES = ("posix_prefix", "posix_user")
"""Where `pip install` and `pip install --user` put commands."""
