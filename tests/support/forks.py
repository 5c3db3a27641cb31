"""Commands carried out in forks of processes that have loaded their modules: seconds less for each.

What a fork does is what the command does once its imports are done. Tests of starting, of signals, of the
installed wheel and of environments that imports read start the real command instead.
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

TRACKING = (
    "swath.tracking.offline",
    "swath.tracking.reader",
    "swath.sweeps.prior_runs",
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
"""Modules that import MLflow and libraries that draw, but not TensorFlow."""

TRAINING = (
    "swath.models.softmax_regression",
    "swath.cli.command",
    "swath.cli.main",
    "swath.cli.reproduce_report",
    "swath.execution.executor",
    "swath.execution.runner",
    "swath.sweeps.session",
    "sklearn.datasets",
    "hydra._internal.core_plugins.basic_sweeper",
    *TRACKING,
)
"""Modules that import TensorFlow as well."""

OF_THE_USER = ("MLFLOW_TRACKING_URI", "SWATH_DATA_DIR", "HYDRA_FULL_ERROR", "TF_ENABLE_ONEDNN_OPTS")
"""Variables that the tests must not see."""

NOBODY_KNOWS = 99
"""Exit status where the process that would tell has died."""

TRACKER = "SWATH_TEST_TRACKER"
"""Variable that names the socket of the process whose forks are tracking processes."""

TRAINER = "SWATH_TEST_TRAINER"
"""Variable that names the socket of the process whose forks train."""

TIMEOUT_S = 300


class ForkServer:
    """A process of its own that has imported some modules, and forks for everybody who asks."""

    def __init__(self, address: str) -> None:
        self.address = address

    @classmethod
    def started(cls, modules: tuple[str, ...]) -> "ForkServer":
        """Start one; it lives as long as this process. Who asks before it has imported everything waits."""
        folder = tempfile.TemporaryDirectory(prefix="swath-forks-")
        atexit.register(folder.cleanup)
        address = str(Path(folder.name) / "socket")
        tests = str(Path(__file__).resolve().parents[1])
        environment = {name: value for name, value in os.environ.items() if name not in OF_THE_USER}
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
                # Ctrl-C is for the tests, which then end it. It stays in their session, because processes of
                # both servers share process groups.
                process_group=0,
            )
        atexit.register(process.kill)
        return cls(address)

    def run(
        self, module: str, folder: Path, words: tuple[str, ...], environment: dict[str, str], patch: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Execute `patch`, then run `module.main()` with arguments in `folder` until it exits."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fork = self.start(module, folder, words, environment, [out.fileno(), err.fileno()], patch)
            try:
                status = fork.wait()
            finally:
                for file in (out, err):
                    file.seek(0)
                done = subprocess.CompletedProcess([module, *words], -1, out.read(), err.read())
                print(done)  # pytest shows it if the test fails
            done.returncode = status
            return done

    def start(
        self,
        module: str,
        folder: Path,
        words: tuple[str, ...],
        environment: dict[str, str],
        files: list[int],
        patch: str = "",
    ) -> "Fork":
        """Start what `run` runs, in a process group of its own, which its tracking process joins.

        Args:
          module: as for `run`.
          folder: as for `run`.
          words: as for `run`.
          environment: variables added to the environment.
          files: descriptors of standard output and standard error.
          patch: as for `run`.
        """
        asked = {
            "module": module,
            "folder": str(folder),
            "words": words,
            "environment": {**os.environ, **environment},
            "patch": patch,
            "group": 0,
        }
        return Fork(self.address, asked, files)


class Fork:
    """A forked process; the request is sent as JSON, with open files.

    Attributes:
      pid: id of the process, which is also that of its process group.
    """

    def __init__(self, address: str, asked: dict[str, Any], files: list[int]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(TIMEOUT_S)
        self._connection.connect(address)
        message = json.dumps(asked).encode()
        socket.send_fds(self._connection, [len(message).to_bytes(8, "big")], files)
        self._connection.sendall(message)
        self.pid = int(self._line() or -1)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while the process is running."""
        if self._status is None and select.select([self._connection], [], [], 0)[0]:
            self._status = int(self._line() or NOBODY_KNOWS)
            self._connection.close()
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended; returns its exit status.

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

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\n") and (byte := self._connection.recv(1)):
            line += byte
        return line.decode().strip()


class ForkedCommand:
    """A running command, with the methods of `subprocess.Popen` that tests use."""

    def __init__(
        self, server: ForkServer, module: str, folder: Path, words: tuple[str, ...], **variables: str
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="swath-output-")
        self._files = [Path(self._folder.name) / name for name in ("out", "err")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            output = [out.fileno(), err.fileno()]
            self._fork = server.start(module, folder, words, variables, output)
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
        """See `subprocess.Popen`; everything that was printed, however often it is called."""
        self.wait(timeout)
        output, errors = (file.read_text() for file in self._files)
        print(output, errors, sep="\n")  # pytest shows it if the test fails
        return output, errors


def start_servers() -> None:
    """Start both, for this process and those that it starts."""
    tracking = ForkServer.started(TRACKING)
    os.environ[TRACKER] = tracking.address
    os.environ[TRAINER] = ForkServer.started(TRAINING).address


def tracking_server() -> ForkServer:
    """The process that has loaded MLflow."""
    if TRACKER not in os.environ:
        start_servers()
    return ForkServer(os.environ[TRACKER])


def training_server() -> ForkServer:
    """The process that has loaded TensorFlow too."""
    tracking_server()
    return ForkServer(os.environ[TRAINER])
