"""Servers of MLflow's, started as a person would."""

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

LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Without the half dozen processes that evaluate language models."""

MLFLOW = Path(sys.executable).parent / "mlflow"

PATIENCE_S = 120


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class _Refusing(BaseHTTPRequestHandler):
    def send_login(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b"please login")

    do_GET = do_POST = send_login  # noqa: N815  http.server asks for these names

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def refusing_server() -> Iterator[int]:
    """A server that asks everybody for a login; its port."""
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


@contextlib.contextmanager
def mlflow_server(folder: Path, port: int, page: str, *words: str, **environment: str) -> Iterator[str]:
    """Run `mlflow` with some words in `folder` until the block is left; its address, once `page` answers.

    Args:
      folder: where.
      port: on which it will listen.
      page: asked for until it answers.
      words: what is typed behind `mlflow`, less the port.
      environment: variables added to the environment.
    """
    log = folder / f"server-{port}.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(MLFLOW), *words, "--port", str(port)],
            cwd=folder,
            # `mlflow models serve` looks for its server's command on PATH.
            env={**os.environ, "PATH": f"{MLFLOW.parent}:{os.environ['PATH']}", **LIGHT, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(PATIENCE_S * 2):
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
