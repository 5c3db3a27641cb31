"""`swath-compare --open`: shows the page of a sweep in a browser, with a server that is started if needed."""

import os
import subprocess
import sys
import time
import webbrowser

from swath import analysis, tracking
from swath.cli.compare_notes import pages_of
from swath.cli.output import print_note
from swath.errors import SwathError
from swath.system import hide_password

WAIT_S = 60.0
"""Longest wait for a server to answer; importing MLflow takes seconds on a busy machine."""


def open_page(sweep: analysis.Sweep, uri: str | None, all_of: bool) -> None:
    """Open the page of a sweep; print its address where there is no browser.

    A server that is started keeps running after the command.

    Args:
      sweep: a sweep with at least one run.
      uri: store given on the command line; None for the default.
      all_of: whether this is all sweeps of a name.

    Raises:
      SwathError: the server does not start.
    """
    address = uri or tracking.default_uri()
    shown, run_id = hide_password(address, address), sweep.any_run.run_id
    server = tracking.page_server(shown, run_id)
    if server.start:
        print_note(f"Starting {server.start} ...")
        process = _start(address, server)
        server = _wait(process, shown, run_id, server)
        print_note(f"It keeps running; to stop it: kill {process.pid}")
    _, page = pages_of(sweep, address, all_of)[0]
    target = f"{server.address}/{page}"
    if not _has_browser() or not webbrowser.open(target):
        print_note(f"See it: {target}")


def _start(address: str, server: tracking.PageServer) -> "subprocess.Popen[bytes]":
    port = server.address.rpartition(":")[2]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "mlflow", "ui", "--port", port],
        # In the environment, so that other users cannot see a password.
        env={**os.environ, "MLFLOW_BACKEND_STORE_URI": address},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that it outlives this command
    )


def _wait(
    process: "subprocess.Popen[bytes]", uri: str, run_id: str, server: tracking.PageServer
) -> tracking.PageServer:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SwathError(f"{server.start} ended with status {process.returncode}; run it to see why")
        running = tracking.page_server(uri, run_id)
        if not running.start:
            return running
        time.sleep(0.3)
    process.terminate()
    raise SwathError(f"{server.start} does not answer after {WAIT_S:.0f} s; run it to see why")


def _has_browser() -> bool:
    """Whether a browser can show a page: not over ssh or in a container without a display."""
    if sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER"))
