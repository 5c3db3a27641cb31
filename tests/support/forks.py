"""Run commands in forks of processes that have already imported their modules, to save time.

A fork behaves like the command after its imports. Tests of startup, signals, the installed wheel and
variables that are read at import start the real command instead.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TRACKING_MODULES = (
    "swath.tracking.offline",
    "swath.tracking.reader",
    "swath.sweeps.prior_runs",
    "swath.plotting.figures",
    "swath.tracking.models",
)
"""Modules that load MLflow and the plotting libraries, but not TensorFlow, as in the tracking process."""

TRAINING_MODULES = ("swath.models.softmax_regression", "hydra", *TRACKING_MODULES)
"""Modules that also load TensorFlow."""

USER_VARIABLES = ("MLFLOW_TRACKING_URI", "SWATH_DATA_DIR", "HYDRA_FULL_ERROR", "TF_ENABLE_ONEDNN_OPTS")
"""Environment variables of the user that tests must not see."""

UNKNOWN_STATUS = 99
"""Exit status when the fork server died before it reported one."""

TRACKING_SOCKET = "SWATH_TEST_TRACKER"
"""Environment variable with the socket address of the fork server for tracking processes."""

TRAINING_SOCKET = "SWATH_TEST_TRAINER"
"""Environment variable with the socket address of the fork server for training."""

TIMEOUT_S = 300


class ForkServer:
    """Client of a process that has imported modules and forks for each request."""

    def __init__(self, address: str) -> None:
        self.address = address

    @classmethod
    def start(cls, modules: tuple[str, ...]) -> "ForkServer":
        """Start a fork server that lives as long as this process. Requests wait for its imports."""
        folder = tempfile.TemporaryDirectory(prefix="swath-forks-")
        atexit.register(folder.cleanup)
        address = str(Path(folder.name) / "socket")
        tests = str(Path(__file__).resolve().parents[1])
        environment = {name: value for name, value in os.environ.items() if name not in USER_VARIABLES}
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen(64)
            number = listening.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", "support.fork_server", str(number), str(os.getpid()), *modules],
                cwd=tests,
                env={**environment, "PYTHONPATH": tests, "MLFLOW_DISABLE_TELEMETRY": "true"},
                stdin=subprocess.DEVNULL,
                pass_fds=[number],
                start_new_session=True,  # Ctrl-C goes to the tests only, which then stop the server
            )
        atexit.register(process.kill)
        return cls(address)

    def run(
        self,
        module: str,
        folder: Path,
        arguments: tuple[str, ...],
        environment: dict[str, str],
        patch: str = "",
    ) -> "subprocess.CompletedProcess[str]":
        """Execute `patch` and `module.main()` with command-line arguments in `folder`; wait for the exit."""
        request = {
            "module": module,
            "folder": str(folder),
            "arguments": arguments,
            "environment": {**os.environ, **environment},
            "patch": patch,
        }
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fork = Fork(self.address, request, [out.fileno(), err.fileno()])
            try:
                status = fork.wait()
            finally:
                for file in (out, err):
                    file.seek(0)
                done = subprocess.CompletedProcess([module, *arguments], -1, out.read(), err.read())
                print(done)  # pytest shows it if the test fails
            done.returncode = status
            return done


class Fork:
    """A process that a fork server starts. The request is sent as JSON, together with open files."""

    def __init__(self, address: str, request: dict[str, Any], files: list[int]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(TIMEOUT_S)
        self._connection.connect(address)
        message = json.dumps(request).encode()
        socket.send_fds(self._connection, [len(message).to_bytes(8, "big")], files)
        self._connection.sendall(message)
        self._status: int | None = None

    def wait(self) -> int:
        """Wait until the process has exited; return its exit status."""
        if self._status is None:
            with self._connection, self._connection.makefile("r") as replies:
                self._status = int(replies.readline() or UNKNOWN_STATUS)
        return self._status


def start_servers() -> None:
    """Start both fork servers, for this process and its children."""
    tracking = ForkServer.start(TRACKING_MODULES)
    os.environ[TRACKING_SOCKET] = tracking.address
    os.environ[TRAINING_SOCKET] = ForkServer.start(TRAINING_MODULES).address


def tracking_server() -> ForkServer:
    """The fork server that has loaded MLflow."""
    if TRACKING_SOCKET not in os.environ:
        start_servers()
    return ForkServer(os.environ[TRACKING_SOCKET])


def training_server() -> ForkServer:
    """The fork server that has also loaded TensorFlow."""
    tracking_server()
    return ForkServer(os.environ[TRAINING_SOCKET])
