"""A command that has been checked, carried out: screen, session, Hydra, and what is printed at the end."""

import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from swath.app.command_line import Words
from swath.app.live import LiveSweepScreen
from swath.app.preflight import CheckedCommand
from swath.app.progress import Progress
from swath.app.screen import PlainSweepScreen, Screen, SingleRunScreen
from swath.app.session import Session
from swath.app.summary import print_check, print_single, print_sweep
from swath.app.task import fusible_task
from swath.events import Note
from swath.launch import Launch, RunResult

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

INTERRUPTED_NOTE = "Interrupted: what is trained now ends after its segment; Ctrl-C again ends at once"

NO_TERMINAL_WIDTH = 200


def carry_out(words: Words, checked: CheckedCommand, hidden: tuple[str, ...]) -> int:
    """Train and track what a command asks for, and print what has come of it; returns the exit status.

    Args:
      words: the command.
      checked: what it asks for.
      hidden: overrides that keep a password out of Hydra's files.

    Raises:
      SwathError: a data set or the store cannot be used.
    """
    console = output_console()
    named = words.config_name if checked.config_name != "config" else "ad-hoc"
    launch = Launch(named if checked.multirun else "single", uuid.uuid4().hex[:12], checked.swept)
    compared: Sequence[tuple[RunResult, bool]] = ()
    status = 0
    failure: Exception | None = None
    with _screen(checked, launch, console) as screen:
        session = Session(launch, checked.configs, screen)
        try:
            hand_to_hydra(words, hidden, fusible_task(session))
            if count := checked.configs[0].fuse.check:
                session.tell(Note(f"training up to {count} configurations once more, alone", passing=True))
                compared = session.check(count)
        except KeyboardInterrupt:
            status = INTERRUPTED
            session.tell(Note(INTERRUPTED_NOTE))
        except Exception as error:  # told after what was reached
            failure = error
        try:
            session.stop()
            session.tell(Note("storing what is left ...", passing=True))
            results = session.close()
        except KeyboardInterrupt:
            status = INTERRUPTED
            results = session.abandon()
    wall_s = time.perf_counter() - session.began
    if checked.multirun and results:
        asked_for = max(session.asked_for, len(checked.configs))
        print_sweep(results, asked_for, launch, session.store, console, wall_s)
    elif results:
        print_single(results[0], session.store, console)
    if compared:
        print_check(compared, launch, console)
    if failure is not None:
        raise failure
    failed = any(result.status != "FINISHED" for result in results)
    return status or int(failed or not all(same for _, same in compared))


def output_console() -> Console:
    """Standard output; a pipe or a log file has no width of its own, and nothing in it should be cut off."""
    return Console() if sys.stdout.isatty() else Console(width=NO_TERMINAL_WIDTH)


def _screen(checked: CheckedCommand, launch: Launch, console: Console) -> Screen:
    if not checked.multirun:
        return SingleRunScreen()
    progress = Progress(len(checked.configs) if checked.jobs_known else None, checked.swept)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveSweepScreen(launch.sweep, progress, console)
    return PlainSweepScreen(progress)


def hand_to_hydra(words: Words, more_overrides: tuple[str, ...], task: Any) -> int:
    """Let Hydra carry out the command, calling `task` for each job; returns 0."""
    import hydra

    sys.argv[1:] = words.for_hydra(more_overrides)
    hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()
    return 0


def run_nothing(config: Any) -> None:
    """The task of a command that only shows something."""
    raise AssertionError("this command only shows something")
