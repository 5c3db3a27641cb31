"""Entry points of the commands: signals, one-line error messages, exit status."""

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from swath import __version__
from swath.cli.given import HYDRA_FULL_ERROR
from swath.errors import INTERRUPTED, SwathError, UsageError, failure_reason
from swath.system import collect_rarely, hide_passwords, interrupt_on

if TYPE_CHECKING:
    from swath.tracking import Tracker

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a command cleanly: Ctrl-C, a job scheduler, a closed terminal."""


def swath(tracker: "Tracker | None" = None) -> NoReturn:
    """Run `swath`, and exit with its status.

    0: everything finished. 1: something failed. 2: the command is invalid; nothing was started.
    130: interrupted.

    Args:
      tracker: records the runs; None for MLflow.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.main import run as run_swath

        return run_swath(arguments, tracker)

    _run("swath", run)


def swath_compare() -> NoReturn:
    """Run `swath-compare`, and exit with its status.

    0: done. 1: something failed. 2: the command is invalid. 130: interrupted.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.compare import run as run_compare

        return run_compare(arguments)

    _run("swath-compare", run)


def swath_reproduce() -> NoReturn:
    """Run `swath-reproduce`, and exit with its status.

    0: every run is identical, or equal within the tolerance. 1: one differs. 2: one cannot be reproduced,
    or the command is invalid. 130: interrupted.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.reproduce import run as run_reproduce

        return run_reproduce(arguments)

    _run("swath-reproduce", run, least_error_status=2)


def swath_worker() -> NoReturn:
    """Run `swath-worker`, and exit with its status.

    0: the lot is done. 75: it was put down, and is to be begun again. 1: it failed. 2: the command is
    invalid.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.worker import run as run_worker

        return run_worker(arguments)

    _run("swath-worker", run)


def swath_watch() -> NoReturn:
    """Run `swath-watch`, and exit with its status.

    0: all runs of the sweep finished. 1: some did not. 2: the command is invalid. 130: interrupted.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.watch import run as run_watch

        return run_watch(arguments)

    _run("swath-watch", run)


def swath_stop() -> NoReturn:
    """Run `swath-stop`, and exit with its status.

    0: the sweep is stopped, or had ended. 1: an engine does not answer. 2: the command is invalid.
    """

    def run(arguments: list[str]) -> int:
        from swath.cli.stop import run as run_stop

        return run_stop(arguments)

    _run("swath-stop", run)


def _run(name: str, command: Callable[[list[str]], int], least_error_status: int = 1) -> NoReturn:
    """Run a command with the arguments of this process, and exit.

    Args:
      name: the name of the command; each error line starts with it.
      command: called with the arguments; returns the exit status.
      least_error_status: minimum exit status after an error.
    """
    collect_rarely()
    _open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may not have every character
    sys.stdout = cast(TextIO, _CheckedOutput(sys.stdout))
    warnings.simplefilter("ignore")  # of libraries; $PYTHONWARNINGS could turn them into errors
    # Jupyter sets this to a module that another environment may not have; commands need no window.
    os.environ["MPLBACKEND"] = "agg"
    logging.raiseExceptions = False  # a log file that cannot be written is no error of the command
    show_traceback = os.environ.get(HYDRA_FULL_ERROR) == "1"
    # With this, Hydra raises errors instead of printing them; only this function prints errors.
    os.environ[HYDRA_FULL_ERROR] = "1"
    _handle_signals()
    try:
        status = _carry_out(name, command)
        sys.stdout.flush()
        if getattr(sys.stdout, "failed", False):  # an observer of the training failed, and was dropped
            raise SwathError("standard output could not be written; the results are in the store")
    except BrokenPipeError:  # the reader of the output, such as `head`, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt as interrupt:
        status = getattr(interrupt, "exit_status", INTERRUPTED)
    except Exception as error:
        if show_traceback:
            raise
        status = max(least_error_status, _report(name, error))
    _exit(status)


class _CheckedOutput:
    """Standard output whose faults are told apart from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failed = False

    def write(self, text: str) -> int:
        """Write a text."""
        with self._checked():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with self._checked():
            self._stream.flush()

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.failed = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # later output is discarded
            raise SwathError(f"standard output cannot be written: {error.strerror}") from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_streams() -> None:
    """Open standard streams that the caller has closed, so that printing discards."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _check_folder() -> None:
    """Check that the working folder exists.

    Raises:
      UsageError: it was deleted.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError("the working folder does not exist any more; change to another one") from error


def _carry_out(name: str, command: Callable[[list[str]], int]) -> int:
    """Print the version, or run the command; returns the exit status."""
    if "--version" in sys.argv[1:]:
        print(f"{name} {__version__}")
        return 0
    _check_folder()
    return command(sys.argv[1:])


def _handle_signals() -> None:
    """Make SIGTERM and SIGHUP interrupt a command as Ctrl-C does.

    A signal that the caller ignores, as `nohup` does, stays ignored.
    """
    interrupt_on(number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN)


def _exit(status: int) -> NoReturn:
    """Exit. If TensorFlow is loaded, skip its teardown, which takes a second."""
    if "tensorflow" not in sys.modules:
        sys.exit(status)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # the reader may have exited
            stream.flush()
    os._exit(status)


def _report(name: str, error: Exception) -> int:
    """Print an error, one line for each mistake; returns the exit status."""
    if isinstance(error, SwathError):
        lines = str(error).splitlines() or [type(error).__name__]
        status = error.exit_status
    elif _is_full_disk(error):
        lines = ["the disk is full; free some space, then run the same command with resume=yes"]
        status = 1
    else:
        logging.getLogger("swath").debug("unexpected", exc_info=error)
        lines = [f"{failure_reason(error)} (set {HYDRA_FULL_ERROR}=1 to see the traceback)"]
        status = 1
    for line in lines:
        print(f"{name}: {hide_passwords(line)}", file=sys.stderr)
    return status


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, reports a full disk; `logging` wraps such errors."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
