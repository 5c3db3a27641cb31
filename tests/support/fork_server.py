"""Fork server: imports modules once, then forks a process for each requested command.

python -m support.fork_server DESCRIPTOR PARENT MODULE...
"""

import contextlib
import gc
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

from support.forks import TRACKING_PATCH, TRACKING_SOCKET, Fork

TRACKING_PROCESS = "swath.sweeps.tracking_process"

POLL_S = 0.02

PARENT_CHECK_INTERVAL_S = 5.0
"""Seconds between checks that the test process is still alive."""


class _ForkedTrackingProcess(Fork):
    """Replaces the `subprocess.Popen` of the tracking process."""

    def __init__(self, command: list[str], pass_fds: list[int], **_: object) -> None:
        assert command[1:4] == ["-P", "-m", TRACKING_PROCESS]
        request = {
            "module": TRACKING_PROCESS,
            "folder": str(Path.cwd()),
            "arguments": [],
            "environment": dict(os.environ),
            "patch": os.environ.get(TRACKING_PATCH, ""),
            "group": os.getpgrp(),
        }
        with Path(os.devnull).open("w") as null:
            super().__init__(os.environ[TRACKING_SOCKET], request, [null.fileno(), 2, *pass_fds])


class _SubprocessModule:
    DEVNULL = subprocess.DEVNULL
    Popen = _ForkedTrackingProcess


def serve(descriptor: int, parent: int, modules: list[str]) -> None:
    """Import modules, then fork a process for each request until the test process exits.

    Args:
      descriptor: file descriptor of a listening socket.
      parent: process id of the test process.
      modules: names of the modules to import.
    """
    for module in modules:
        importlib.import_module(module)
    sqlalchemy.orm.configure_mappers()  # otherwise each fork does it
    gc.collect()
    gc.freeze()  # otherwise the collections of each fork visit the objects of all modules
    listening = socket.socket(fileno=descriptor)
    listening.settimeout(PARENT_CHECK_INTERVAL_S)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the forks
    while os.getppid() == parent:
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listening.close()
            connection.setblocking(True)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _serve_request(connection)
            os._exit(0)
        connection.close()


def _serve_request(connection: socket.socket) -> None:
    """In the fork: start the requested process, wait for it and send its exit status."""
    length, files, _, _ = socket.recv_fds(connection, 8, 8)
    message = b""
    while len(message) < int.from_bytes(length, "big"):
        part = connection.recv(1 << 16)
        if not part:
            return
        message += part
    request = json.loads(message)
    child = os.fork()
    if child == 0:
        connection.close()
        _run_command(request, files)
    _join_group(child, request["group"])
    for file in files:
        os.close(file)
    with contextlib.suppress(OSError):
        connection.sendall(f"{child}\n".encode())
    waited = _wait_for_child(child, connection, request["module"] != TRACKING_PROCESS)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(waited)}\n".encode())


def _wait_for_child(child: int, client: socket.socket, kill_without_client: bool) -> int:
    """Wait for a process. Kill it if its client disconnects, except a tracking process, which must finish."""
    while True:
        ended, waited = os.waitpid(child, 0 if not kill_without_client else os.WNOHANG)
        if ended:
            return waited
        if select.select([client], [], [], POLL_S)[0]:  # readable: the client has disconnected
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            kill_without_client = False


def _join_group(process: int, group: int) -> None:
    """Move a process into a process group, 0 for a new one. The process and its parent both do it."""
    with contextlib.suppress(OSError):
        os.setpgid(process, group)


def _run_command(request: dict[str, Any], files: list[int]) -> None:
    """In the second fork: run the command."""
    _join_group(0, request["group"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for number, file in enumerate(files[:2], 1):
        os.dup2(file, number)
        os.close(file)
    module = request["module"]
    sys.argv = [module, *request["arguments"]]
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("/tests")]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # `nohup` and shells make the tests ignore some of them
    if module != TRACKING_PROCESS:
        mock.patch("swath.tracking.rpc.subprocess", _SubprocessModule).start()
    exec(request["patch"], {})
    name, _, function = module.partition(":")
    command: Callable[..., None] = getattr(importlib.import_module(name), function or "main")
    os._exit(_exit_status(command, files[2:]))


def _exit_status(command: Callable[..., None], arguments: list[int]) -> int:
    try:
        command(*arguments)
        return 0
    except SystemExit as system_exit:
        return system_exit.code if isinstance(system_exit.code, int) else int(system_exit.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
