"""The command `swath`."""

import contextlib
import difflib
import errno
import logging
import os
import sys

from swath.app.signals import end_orderly
from swath.errors import ConfigError, SwathError
from swath.tracking.secrets import hide_passwords

HYDRA_FULL_ERROR = "HYDRA_FULL_ERROR"


def main() -> None:
    """Run `swath` with the words of this process, and exit with its status.

    0: everything finished. 1: something failed. 2: a mistake in the command; nothing was started.
    130: interrupted.
    """
    show_traceback = os.environ.get(HYDRA_FULL_ERROR) == "1"
    # Hydra then hands errors on instead of printing them; this function is the one place that prints.
    os.environ[HYDRA_FULL_ERROR] = "1"
    end_orderly()
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt as interrupt:
        status = getattr(interrupt, "exit_status", 130)
    except Exception as error:
        if show_traceback:
            raise
        status = _report(error)
    _leave(status)


def _leave(status: int) -> None:
    """End the process; with TensorFlow in it without taking that down piece by piece, for a second."""
    if "tensorflow" not in sys.modules:
        sys.exit(status)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it may have gone
            stream.flush()
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Carry out one command; returns its exit status.

    Raises:
      SwathError: what went wrong, in words for the person who typed it.
    """
    from swath.app.carry_out import carry_out, hand_to_hydra, run_nothing
    from swath.app.command_line import keep_password, read_words
    from swath.app.preflight import check_command
    from swath.app.search_path import primary_configs, register

    if arguments == ["--version"]:
        from swath import __version__

        print(f"swath {__version__}")
        return 0
    words = read_words(arguments)
    register(words.user_folders)
    if words.flags.help:
        from swath.app.help import help_text

        print(help_text())
        return 0
    known = primary_configs(words.user_folders)
    if words.config_name not in known:
        near = difflib.get_close_matches(words.config_name, known, n=1)
        question = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError([f"-cn {words.config_name}: expected one of {', '.join(known)}{question}"])
    if words.flags.shell_completion or words.flags.hydra_help:
        return hand_to_hydra(words, (), run_nothing)
    checked = check_command(
        words.config_name, list(words.overrides), words.flags.multirun, words.user_folders
    )
    hidden = keep_password(checked.configs[0].tracking.uri)
    if not words.runs_something:
        return hand_to_hydra(words, hidden, run_nothing)
    if checked.configs[0].dry_run:
        from swath.app.dry_run import print_plan

        print_plan(checked)
        return 0
    return carry_out(words, checked, hidden)


def _report(error: Exception) -> int:
    """Print an error as a person should see it; returns the exit status."""
    if isinstance(error, SwathError):
        lines = str(error).splitlines() or [type(error).__name__]
        status = error.exit_status
    elif _tells_of_a_full_disk(error):
        lines = ["the disk is full; make room, then go on with the same command and resume=true"]
        status = 1
    else:
        logging.getLogger("swath").debug("unexpected", exc_info=error)
        lines = [f"{type(error).__name__}: {error}".splitlines()[0] + f" ({HYDRA_FULL_ERROR}=1 shows where)"]
        status = 1
    for line in lines:
        print(f"swath: {hide_passwords(line)}", file=sys.stderr)
    return status


def _tells_of_a_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, is that there is no room; `logging` wraps it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
