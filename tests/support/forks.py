"""Commands carried out in forks of processes that have loaded their modules: seconds less for each.

What a fork does is what the command does once its imports are done. Tests of starting, of signals, of the
installed wheel and of environments that imports read start the real command instead.
"""

import atexit
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

TRACKING = (
    "swath.tracking.spool",
    "swath.reading.store",
    "swath.resuming.earlier",
    "swath.plotting.all",
    "swath.serving.model",
)
"""What loads MLflow and the libraries that draw; no TensorFlow, as in the processes that these stand for."""

TRAINING = ("swath.compute", "hydra", *TRACKING)
"""What loads TensorFlow as well."""

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}

TRACKER = "SWATH_TEST_TRACKER"
"""Variable that names the socket of the process whose forks are tracking processes."""

TRAINER = "SWATH_TEST_TRAINER"
"""Variable that names the socket of the process whose forks train."""

TRACKING_PROCESS = "swath.worker"

TIMEOUT_S = 300


class ForkServer:
    """A process of its own that has imported some modules, and forks for everybody who asks."""

    def __init__(self, address: str) -> None:
        self.address = address

    @classmethod
    def started(cls, modules: tuple[str, ...], **environment: str) -> "ForkServer":
        """Start one; it lives as long as this process."""
        folder = tempfile.TemporaryDirectory(prefix="swath-forks-")
        atexit.register(folder.cleanup)
        address = str(Path(folder.name) / "socket")
        tests = str(Path(__file__).resolve().parents[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "support.forks", address, *modules],
            cwd=tests,
            env={**os.environ, "PYTHONPATH": tests, **environment},
            stdin=subprocess.DEVNULL,
        )
        atexit.register(process.kill)
        return cls(address)

    def wait(self) -> None:
        """Wait until its modules are imported."""
        until = time.monotonic() + TIMEOUT_S
        while not Path(self.address).exists():
            assert time.monotonic() < until, "it did not come up"
            time.sleep(0.05)

    def run(
        self, module: str, folder: Path, words: tuple[str, ...], environment: dict[str, str], patch: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Carry out `patch`, then `module.main()` with some words in `folder`, to its end."""
        self.wait()
        asked = {
            "module": module,
            "folder": str(folder),
            "words": words,
            "environment": {**os.environ, **environment},
            "patch": patch,
        }
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fork = Fork(self.address, asked, [out.fileno(), err.fileno()])
            status = fork.wait()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess([module, *words], status, out.read(), err.read())


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
                self._status = int(replies.readline())
        return self._status


class _ForkedTracker(Fork):
    """Stands in for the `subprocess.Popen` of the tracking process."""

    def __init__(self, command: list[str], pass_fds: list[int], **_: object) -> None:
        assert command[1:3] == ["-m", TRACKING_PROCESS]
        asked = {
            "module": TRACKING_PROCESS,
            "folder": str(Path.cwd()),
            "words": [],
            "environment": dict(os.environ),
            "patch": "",
        }
        with Path(os.devnull).open("w") as nowhere:
            super().__init__(os.environ[TRACKER], asked, [nowhere.fileno(), 2, *pass_fds])


class _SubprocessWithForkedTracker:
    DEVNULL = subprocess.DEVNULL
    Popen = _ForkedTracker


def serve(address: str, modules: list[str]) -> None:
    """Load what takes long, then fork for everybody who asks."""
    for module in modules:
        importlib.import_module(module)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{address}.making")
    listening.listen(64)
    Path(f"{address}.making").rename(address)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection)
            os._exit(0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """In the fork: make the process that was asked for, wait for it, and tell how it ended."""
    length, files, _, _ = socket.recv_fds(connection, 8, 8)
    message = b""
    while len(message) < int.from_bytes(length, "big"):
        message += connection.recv(1 << 16)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(json.loads(message), files)
    for file in files:
        os.close(file)
    _, waited = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(waited)}\n".encode())


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """In the fork of the fork: become the command."""
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for number, file in enumerate(files[:2], 1):
        os.dup2(file, number)
        os.close(file)
    module = asked["module"]
    sys.argv = [module.split(".")[1], *asked["words"]]
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("/tests")]
    if module != TRACKING_PROCESS:
        from swath.tracking import channel

        channel.subprocess = _SubprocessWithForkedTracker  # type: ignore[assignment]
    exec(asked["patch"], {})
    command: Callable[..., None] = importlib.import_module(module).main
    os._exit(_status_of(command, files[2:]))


def _status_of(command: Callable[..., None], arguments: list[int]) -> int:
    try:
        command(*arguments)
        return 0
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()


def start_servers() -> None:
    """Start both, for this process and those that it starts."""
    tracking = ForkServer.started(TRACKING, **QUIET)
    os.environ[TRACKER] = tracking.address
    os.environ[TRAINER] = ForkServer.started(TRAINING, **QUIET).address


def tracking_server() -> ForkServer:
    """The process that has loaded MLflow."""
    if TRACKER not in os.environ:
        start_servers()
    return ForkServer(os.environ[TRACKER])


def training_server() -> ForkServer:
    """The process that has loaded TensorFlow too."""
    tracking_server().wait()
    return ForkServer(os.environ[TRAINER])


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
