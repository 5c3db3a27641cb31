"""Start MLflow servers for tests."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

NO_JOB_PROCESSES = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Disables the processes that evaluate language models."""

MLFLOW = Path(sys.executable).parent / "mlflow"

STARTUP_TIMEOUT_S = 120


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class _Unauthorized(BaseHTTPRequestHandler):
    def send_unauthorized(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b"please login")

    do_GET = do_POST = send_unauthorized  # noqa: N815  http.server requires these names

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def unauthorized_server() -> Iterator[int]:
    """Run a server that answers every request with 401; yields its port."""
    server = HTTPServer(("127.0.0.1", 0), _Unauthorized)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


@contextlib.contextmanager
def mlflow_server(folder: Path, port: int, page: str, *arguments: str, **environment: str) -> Iterator[str]:
    """Run `mlflow` with arguments in `folder` for the duration of the block; yields its address.

    Args:
      folder: working directory.
      port: port to listen on.
      page: page that answers once the server is ready.
      arguments: command-line arguments of `mlflow`, without `--port`.
      environment: additional environment variables.
    """
    log = folder / f"server-{port}.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(MLFLOW), *arguments, "--port", str(port)],
            cwd=folder,
            # `mlflow models serve` finds the command of its server on PATH.
            env={
                **os.environ,
                "PATH": f"{MLFLOW.parent}:{os.environ['PATH']}",
                **NO_JOB_PROCESSES,
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(STARTUP_TIMEOUT_S * 2):
            with contextlib.suppress(URLError, OSError), urlopen(address + page, timeout=5):
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
        else:
            raise AssertionError(log.read_text())
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
