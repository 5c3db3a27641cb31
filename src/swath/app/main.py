"""The command `swath`."""

import difflib
import logging
import os
import sys
import uuid
from typing import TYPE_CHECKING, Any

from swath.errors import ConfigError, SwathError
from swath.tracking.secrets import hide_passwords

if TYPE_CHECKING:
    from swath.app.command_line import Words
    from swath.app.preflight import CheckedCommand
    from swath.app.session import Session

HYDRA_FULL_ERROR = "HYDRA_FULL_ERROR"
INTERRUPTED = 130
NO_TERMINAL_WIDTH = 200


def main() -> None:
    """Run `swath` with the words of this process, and exit with its status.

    0: everything finished. 1: something failed. 2: a mistake in the command; nothing was started.
    130: interrupted.
    """
    show_traceback = os.environ.get(HYDRA_FULL_ERROR) == "1"
    # Hydra then hands errors on instead of printing them; this function is the one place that prints.
    os.environ[HYDRA_FULL_ERROR] = "1"
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = INTERRUPTED
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
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Carry out one command; returns its exit status.

    Raises:
      SwathError: what went wrong, in words for the person who typed it.
    """
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
        return _hand_to_hydra(words, (), _run_nothing)
    checked = check_command(
        words.config_name, list(words.overrides), words.flags.multirun, words.user_folders
    )
    hidden = keep_password(checked.configs[0].tracking.uri)
    if not words.runs_something:
        return _hand_to_hydra(words, hidden, _run_nothing)
    return _run_configs(words, checked, hidden)


def _run_configs(words: "Words", checked: "CheckedCommand", hidden: tuple[str, ...]) -> int:
    from rich.console import Console

    from swath.app.screen import SingleRunScreen, SweepScreen
    from swath.app.session import Session
    from swath.app.task import fusible_task
    from swath.launch import Launch

    # A pipe or a log file has no width of its own; nothing in it should be cut off.
    console = Console() if sys.stdout.isatty() else Console(width=NO_TERMINAL_WIDTH)
    named = words.config_name if checked.config_name != "config" else "ad-hoc"
    launch = Launch(named if checked.multirun else "single", uuid.uuid4().hex[:12], checked.swept)
    jobs = len(checked.configs) if checked.jobs_known else None
    screen = SweepScreen(jobs, checked.swept, console) if checked.multirun else SingleRunScreen()
    session = Session(launch, checked.configs, screen)
    status = 0
    try:
        _hand_to_hydra(words, hidden, fusible_task(session))
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        try:
            session.stop()
        finally:  # Ctrl-C again: whatever is there is shown, and the tracking process closes what is open
            failed = _end(session, checked.multirun, console)
    return status or int(failed)


def _end(session: "Session", multirun: bool, console: Any) -> bool:
    """Wait for the store, and print what is there; returns whether anything failed."""
    import time

    from swath.app.summary import print_single, print_sweep

    results = session.close()
    if multirun and results:
        wall_s = time.perf_counter() - session.began
        print_sweep(results, session.launch, session.store, console, wall_s)
    elif results:
        print_single(results[0], session.store, console)
    return any(result.status != "FINISHED" for result in results)


def _hand_to_hydra(words: "Words", more_overrides: tuple[str, ...], task: Any) -> int:
    import hydra

    sys.argv[1:] = words.for_hydra(more_overrides)
    hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()
    return 0


def _run_nothing(config: Any) -> None:
    raise AssertionError("this command only shows something")


def _report(error: Exception) -> int:
    """Print an error as a person should see it; returns the exit status."""
    if isinstance(error, SwathError):
        lines = str(error).splitlines() or [type(error).__name__]
        status = error.exit_status
    else:
        logging.getLogger("swath").debug("unexpected", exc_info=error)
        lines = [f"{type(error).__name__}: {error}".splitlines()[0] + f" ({HYDRA_FULL_ERROR}=1 shows where)"]
        status = 1
    for line in lines:
        print(f"swath: {hide_passwords(line)}", file=sys.stderr)
    return status
