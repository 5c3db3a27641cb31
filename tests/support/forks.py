"""Run commands in forks of processes that have already imported their modules, to save time.

A fork behaves like the command after its imports. Tests of startup, signals, the installed wheel and
variables that are read at import start the real command instead.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TRACKING_MODULES = (
    "swath.tracking.offline",
    "swath.tracking.reader",
    "swath.sweeps.resume_service",
    "swath.sweeps.tracking_process",
    "swath.plotting.figures",
    "swath.tracking.models",
    "swath.cli.entry",
    "swath.cli.compare",
    "swath.cli.compare_report",
    "swath.training.checkpoint",
    "mlflow.store.tracking._sql_backend_utils",
    "mlflow.store.tracking.file_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "alembic.command",
    "sqlalchemy.dialects.sqlite",
)
"""Modules that load MLflow and the plotting libraries, but not TensorFlow, as in the tracking process."""

TRAINING_MODULES = (
    "swath.models.softmax_regression",
    "swath.cli.command",
    "swath.cli.main",
    "swath.cli.reproduce_report",
    "swath.execution.executor",
    "swath.execution.runner",
    "swath.sweeps.session",
    "sklearn.datasets",
    "hydra._internal.core_plugins.basic_sweeper",
    *TRACKING_MODULES,
)
"""Modules that also load TensorFlow."""

USER_VARIABLES = ("MLFLOW_TRACKING_URI", "SWATH_DATA_DIR", "HYDRA_FULL_ERROR", "TF_ENABLE_ONEDNN_OPTS")
"""Environment variables of the user that tests must not see."""

UNKNOWN_STATUS = 99
"""Exit status when the fork server died before it reported one."""

TRACKING_SOCKET = "SWATH_TEST_TRACKER"
"""Environment variable with the socket address of the fork server for tracking processes."""

TRAINING_SOCKET = "SWATH_TEST_TRAINER"
"""Environment variable with the socket address of the fork server for training."""

TRACKING_PATCH = "SWATH_TEST_TRACKING_PATCH"
"""Environment variable with Python code that a tracking process executes first, to inject a fault."""

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
                # Ctrl-C goes to the tests only, which then stop the server. It stays in their session,
                # because processes of both servers share process groups.
                process_group=0,
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
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fork = self.spawn(module, folder, arguments, environment, [out.fileno(), err.fileno()], patch)
            try:
                status = fork.wait()
            finally:
                for file in (out, err):
                    file.seek(0)
                done = subprocess.CompletedProcess([module, *arguments], -1, out.read(), err.read())
                print(done)  # pytest shows it if the test fails
            done.returncode = status
            return done

    def spawn(
        self,
        module: str,
        folder: Path,
        arguments: tuple[str, ...],
        environment: dict[str, str],
        files: list[int],
        patch: str = "",
    ) -> "Fork":
        """Start what `run` runs, in a process group of its own, which its tracking process joins.

        Args:
          module: see `run`.
          folder: see `run`.
          arguments: see `run`.
          environment: variables added to the environment.
          files: descriptors of standard output and standard error.
          patch: see `run`.
        """
        request = {
            "module": module,
            "folder": str(folder),
            "arguments": arguments,
            "environment": {**os.environ, **environment},
            "patch": patch,
            "group": 0,
        }
        return Fork(self.address, request, files)


class Fork:
    """A process that a fork server starts. The request is sent as JSON, together with open files.

    Attributes:
      pid: id of the process, and of its process group unless it joined another.
    """

    def __init__(self, address: str, request: dict[str, Any], files: list[int]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(TIMEOUT_S)
        self._connection.connect(address)
        message = json.dumps(request).encode()
        socket.send_fds(self._connection, [len(message).to_bytes(8, "big")], files)
        self._connection.sendall(message)
        answer = self._read_line()
        if not answer:  # signals to process -1 would reach every process
            raise ConnectionError("the fork server has died")
        self.pid = int(answer)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while the process is running."""
        if self._status is None and select.select([self._connection], [], [], 0)[0]:
            self._status = int(self._read_line() or UNKNOWN_STATUS)
            self._connection.close()
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has exited; return its exit status.

        Raises:
          subprocess.TimeoutExpired: it is still running after `timeout` seconds.
        """
        if self._status is None:
            timeout = TIMEOUT_S if timeout is None else timeout
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
        status = self.poll()
        assert status is not None
        return status

    def _read_line(self) -> str:
        line = b""
        while not line.endswith(b"\n") and (byte := self._connection.recv(1)):
            line += byte
        return line.decode().strip()


class ForkedCommand:
    """A running command, with the methods of `subprocess.Popen` that tests use."""

    def __init__(
        self, server: ForkServer, module: str, folder: Path, arguments: tuple[str, ...], **environment: str
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="swath-output-")
        self._files = [Path(self._folder.name) / name for name in ("out", "err")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            output = [out.fileno(), err.fileno()]
            self._fork = server.spawn(module, folder, arguments, environment, output)
        self.pid = self._fork.pid

    @property
    def returncode(self) -> int | None:
        """The exit status; None while the process is running."""
        return self._fork.poll()

    def poll(self) -> int | None:
        """See `subprocess.Popen`."""
        return self._fork.poll()

    def wait(self, timeout: float | None = None) -> int:
        """See `subprocess.Popen`."""
        return self._fork.wait(timeout)

    def send_signal(self, number: int) -> None:
        """See `subprocess.Popen`."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """See `subprocess.Popen`."""
        os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """See `subprocess.Popen`; returns all output each time it is called."""
        self.wait(timeout)
        output, errors = (file.read_text() for file in self._files)
        print(output, errors, sep="\n")  # pytest shows it if the test fails
        return output, errors


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
