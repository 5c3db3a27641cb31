"""A task as a child process: in a session of its own, and told to end when its parent dies."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SHIM = Path(__file__).with_name("shim.py")

CPUS = "SWATH_CPUS"
"""Variable that tells a task how many processors it may use."""


def start_task(
    argv: Sequence[str],
    number: int,
    log: Path,
    environment: Mapping[str, str],
    *,
    folder: str | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a task, with its output appended to a log. A program that is not there gives status 127.

    The thread that calls this must live as long as the task: on Linux the task gets SIGTERM when it ends,
    even by SIGKILL.

    Args:
      argv: program and arguments; the number is put behind them.
      number: of the task.
      log: file for standard output and standard error.
      environment: of the task.
      folder: working folder; None for that of this process.

    Raises:
      OSError: the log cannot be written, or the folder is not there.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(SHIM), str(os.getpid()), *argv, str(number)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def kill_task(process: "subprocess.Popen[bytes]") -> None:
    """Kill a task and its children, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def exit_status(returncode: int) -> int:
    """The status of a process as a shell gives it: 128 + N after signal N."""
    return returncode if returncode >= 0 else 128 - returncode
