"""The process that `forks` starts: it imports some modules, then forks a command for everybody who asks.

python -m support.fork_server DESCRIPTOR PARENT MODULE...
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy.orm

from support.forks import TRACKER, Fork

TRACKING_PROCESS = "swath.sweeps.tracking_process"

POLL_S = 0.02

LOOK_UP_S = 5.0
"""Seconds after which a process that nobody asks looks whether the tests are still there."""


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
            "group": os.getpgrp(),
        }
        with Path(os.devnull).open("w") as nowhere:
            super().__init__(os.environ[TRACKER], asked, [nowhere.fileno(), 2, *pass_fds])


class _SubprocessWithForkedTracker:
    DEVNULL = subprocess.DEVNULL
    Popen = _ForkedTracker


def serve(descriptor: int, parent: int, modules: list[str]) -> None:
    """Load what takes long, then fork for everybody who asks, until the tests are over.

    Args:
      descriptor: file descriptor of a listening socket.
      parent: process of the tests.
      modules: to be imported.
    """
    for module in modules:
        importlib.import_module(module)
    sqlalchemy.orm.configure_mappers()  # else each fork would do it
    listening = socket.socket(fileno=descriptor)
    listening.settimeout(LOOK_UP_S)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while os.getppid() == parent:
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listening.close()
            connection.setblocking(True)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection)
            os._exit(0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """In the fork: make the process that was asked for, wait for it, and tell how it ended."""
    length, files, _, _ = socket.recv_fds(connection, 8, 8)
    message = b""
    while len(message) < int.from_bytes(length, "big"):
        part = connection.recv(1 << 16)
        if not part:
            return
        message += part
    asked = json.loads(message)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(asked, files)
    _join_group(child, asked["group"])
    for file in files:
        os.close(file)
    with contextlib.suppress(OSError):
        connection.sendall(f"{child}\n".encode())
    waited = _wait(child, connection, asked["module"] != TRACKING_PROCESS)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(waited)}\n".encode())


def _wait(child: int, asker: socket.socket, ends_with_asker: bool) -> int:
    """Wait for a process; one whose asker has gone is killed, but for one that has still to store things."""
    while True:
        ended, waited = os.waitpid(child, 0 if not ends_with_asker else os.WNOHANG)
        if ended:
            return waited
        if select.select([asker], [], [], POLL_S)[0]:  # it says nothing more, so this is its end
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            ends_with_asker = False


def _join_group(process: int, group: int) -> None:
    """Move a process into a process group, 0 for one of its own; it does so itself too, whoever is first."""
    with contextlib.suppress(OSError):
        os.setpgid(process, group)


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """In the fork of the fork: become the command."""
    _join_group(0, asked["group"])
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
    sys.argv = [module, *asked["words"]]
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("/tests")]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # `nohup` and shells make the tests ignore some of them
    if module != TRACKING_PROCESS:
        mock.patch("swath.tracking.rpc.subprocess", _SubprocessWithForkedTracker).start()
    exec(asked["patch"], {})
    name, _, function = module.partition(":")
    command: Callable[..., None] = getattr(importlib.import_module(name), function or "main")
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


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
