"""A task as a child process: in a session of its own, and told to end when its parent dies."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl(2): the signal that a process gets when its parent dies."""

CPUS = "SWATH_CPUS"
"""Variable that tells a task how many processors it may use."""


def start_task(
    argv: Sequence[str],
    number: int,
    log: Path,
    *,
    folder: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a task, with its output appended to a log.

    The thread that calls this must live as long as the task: on Linux the task gets SIGTERM when it ends,
    even by SIGKILL.

    Args:
      argv: program and arguments; the number is put behind them.
      number: of the task.
      log: file for standard output and standard error.
      folder: working folder; None for that of this process.
      environment: of the task; None for that of this process.

    Raises:
      OSError: the program cannot be started, or the log not be written.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [*argv, str(number)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=_ending_with(os.getpid()),
        )


def kill_task(process: "subprocess.Popen[bytes]") -> None:
    """Kill a task and its children, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def exit_status(returncode: int) -> int:
    """The status of a process as a shell gives it: 128 + N after signal N."""
    return returncode if returncode >= 0 else 128 - returncode


def _ending_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes its program: default signals, and SIGTERM at its parent's death."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died in between
                os._exit(128 + signal.SIGTERM)

    return prepare
