"""The three commands as a shell starts them: signals, errors in a line each, exit status."""

import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from swath import __version__
from swath.errors import SwathError
from swath.system import hide_passwords

if TYPE_CHECKING:
    from swath.tracking import Tracker

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command in the same orderly way: Ctrl-C, a scheduler, a lost terminal."""

HYDRA_FULL_ERROR = "HYDRA_FULL_ERROR"
"""Environment variable: with the value 1, an unexpected error is shown with its traceback."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


class Interrupted(KeyboardInterrupt):
    """A signal has asked the command to end.

    Attributes:
      exit_status: 128 plus the number of the signal, as shells report it.
    """

    def __init__(self, number: int) -> None:
        self.exit_status = 128 + number
        super().__init__(signal.Signals(number).name)


def swath(tracker: "Tracker | None" = None) -> NoReturn:
    """Run `swath`, and exit with its status.

    0: everything finished. 1: something failed. 2: a mistake in the command; nothing was started.
    130: interrupted.

    Args:
      tracker: keeps the runs; None for a store of MLflow.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.main import run as run_swath

        return run_swath(arguments, tracker)

    _run("swath", run)


def swath_compare() -> NoReturn:
    """Run `swath-compare`, and exit with its status.

    0: done. 1: something failed. 2: a mistake in the command. 130: interrupted.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.compare import run as run_compare

        return run_compare(arguments)

    _run("swath-compare", run)


def swath_reproduce() -> NoReturn:
    """Run `swath-reproduce`, and exit with its status.

    0: every run is identical, or equal within the tolerance. 1: one differs. 2: one cannot be reproduced,
    or there is a mistake in the command. 130: interrupted.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.reproduce import run as run_reproduce

        return run_reproduce(arguments)

    _run("swath-reproduce", run, least_error_status=2)


def _run(name: str, command: Callable[[list[str]], int], least_error_status: int = 1) -> NoReturn:
    """Run a command with the arguments of this process, and exit.

    Args:
      name: of the command, in front of each error.
      command: gets the arguments, returns the exit status.
      least_error_status: of an error that is meant for the user.
    """
    if sys.argv[1:] == ["--version"]:
        print(f"{name} {__version__}")
        sys.exit(0)
    show_traceback = os.environ.get(HYDRA_FULL_ERROR) == "1"
    # Hydra then raises errors instead of printing them; this function is the one place that prints them.
    os.environ[HYDRA_FULL_ERROR] = "1"
    _handle_signals()
    try:
        status = command(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt as interrupt:
        status = getattr(interrupt, "exit_status", INTERRUPTED)
    except Exception as error:
        if show_traceback:
            raise
        status = max(least_error_status, _report(name, error))
    _exit(status)


def _handle_signals() -> None:
    """Have SIGTERM and SIGHUP end a command as Ctrl-C does.

    A signal that the caller has had ignored, as `nohup` does, stays ignored.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _exit(status: int) -> NoReturn:
    """End the process. TensorFlow, where it is loaded, is not torn down, which would take a second."""
    if "tensorflow" not in sys.modules:
        sys.exit(status)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # the reader may be gone
            stream.flush()
    os._exit(status)


def _report(name: str, error: Exception) -> int:
    """Print an error, one line for each mistake; returns the exit status."""
    if isinstance(error, SwathError):
        lines = str(error).splitlines() or [type(error).__name__]
        status = error.exit_status
    elif _is_full_disk(error):
        lines = ["the disk is full; make room, then repeat the command with resume=yes"]
        status = 1
    else:
        logging.getLogger("swath").debug("unexpected", exc_info=error)
        lines = [f"{type(error).__name__}: {error}".splitlines()[0] + f" ({HYDRA_FULL_ERROR}=1 shows where)"]
        status = 1
    for line in lines:
        print(f"{name}: {hide_passwords(line)}", file=sys.stderr)
    return status


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, says that the disk is full; `logging` wraps such errors."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
