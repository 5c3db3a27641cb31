"""Commands carried out in forks of processes that have loaded their modules: seconds less for each.

What a fork does is what the command does once its imports are done. Tests of starting, of signals, of the
installed wheel and of environments that imports read start the real command instead.
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

TRACKING = (
    "swath.tracking.offline",
    "swath.tracking.reader",
    "swath.sweeps.prior_runs",
    "swath.plotting.figures",
    "swath.tracking.models",
)
"""What loads MLflow and the libraries that draw; no TensorFlow, as in the processes that these stand for."""

TRAINING = ("swath.models.softmax_regression", "hydra", *TRACKING)
"""What loads TensorFlow as well."""

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
                start_new_session=True,  # Ctrl-C is for the tests, which then end it
            )
        atexit.register(process.kill)
        return cls(address)

    def run(
        self, module: str, folder: Path, words: tuple[str, ...], environment: dict[str, str], patch: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Carry out `patch`, then `module.main()` with some words in `folder`, to its end."""
        asked = {
            "module": module,
            "folder": str(folder),
            "words": words,
            "environment": {**os.environ, **environment},
            "patch": patch,
        }
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fork = Fork(self.address, asked, [out.fileno(), err.fileno()])
            try:
                status = fork.wait()
            finally:
                for file in (out, err):
                    file.seek(0)
                done = subprocess.CompletedProcess([module, *words], -1, out.read(), err.read())
                print(done)  # pytest shows it where the test fails
            done.returncode = status
            return done


class Fork:
    """A process forked on demand: what is asked of it goes there as JSON, with open files beside it."""

    def __init__(self, address: str, asked: dict[str, Any], files: list[int]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(TIMEOUT_S)
        self._connection.connect(address)
        message = json.dumps(asked).encode()
        socket.send_fds(self._connection, [len(message).to_bytes(8, "big")], files)
        self._connection.sendall(message)
        self._status: int | None = None

    def wait(self) -> int:
        """Wait until the process has ended; its exit status."""
        if self._status is None:
            with self._connection, self._connection.makefile("r") as replies:
                self._status = int(replies.readline() or NOBODY_KNOWS)
        return self._status


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
