"""What to type, or open, to see runs in the MLflow UI."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from swath.tracking.database_file import database_file
from swath.tracking.secrets import hide_password

HOST, PORT = "127.0.0.1", 5000
"""Where `mlflow ui` listens, unless $MLFLOW_PORT says otherwise."""

LAST_PORT = 65_535
PORTS_TRIED = 20

PATIENCE_S = 0.5


def see_lines(uri: str, pages: Sequence[tuple[str, str]], run_id: str) -> list[str]:
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
